/** The demo's main page: a user of the package's public API, and of nothing else. */
import { Engine } from "doran";
import { render, type JSX } from "preact";
import { Chat } from "./chat/chat.js";
import { Compare } from "./compare/compare.js";
import { lastModel } from "./model.js";
import { Models } from "./models/models.js";
import { findServed, looked } from "./models/offers.js";
import { refreshStored } from "./models/stored.js";
import { keepOffline } from "./offline.js";
import { Play } from "./play/play.js";
import { view, type View } from "./route.js";
import { Shell } from "./shell.js";
import { Unsupported } from "./unsupported.js";

const VIEWS: Record<View, () => JSX.Element> = { chat: Chat, models: Models, compare: Compare, play: Play };

function App(): JSX.Element {
  const Shown = VIEWS[view.value];
  return <Shell><Shown /></Shell>;
}

const app = document.getElementById("app");
if (app !== null) {
  const support = await Engine.support();
  const { reason } = support;
  if (support.supported || reason === undefined) {
    render(<App />, app);
    // A first visit has nothing stored, and does not wait for the module that would say so.
    const list = findServed().then(() => { looked.value ||= lastModel() === undefined; });
    await Promise.all([list, refreshStored()]);
    looked.value = true;
  } else {
    render(<Shell><Unsupported support={{ ...support, reason }} /></Shell>, app);
  }
  await keepOffline("sw.js");
}
