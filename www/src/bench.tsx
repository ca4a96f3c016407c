/** The benchmark's own page. */
import { Engine } from "doran";
import { render } from "preact";
import { Bench } from "./bench/bench.js";
import { remember } from "./bench/results.js";
import { findServed } from "./models/offers.js";
import { refreshStored } from "./models/stored.js";
import { keepOffline } from "./offline.js";
import { Shell } from "./shell.js";

const app = document.getElementById("app");
if (app !== null) {
  remember();
  const canRun = await Engine.isSupported();
  render(<Shell home="../" bench><Bench canRun={canRun} /></Shell>, app);
  if (canRun) await Promise.all([findServed("../"), refreshStored()]);
}
await keepOffline("../sw.js");
