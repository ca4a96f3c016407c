/** Where no model is loaded: the shortest way to one. */
import type { JSX } from "preact";
import { formatBytes, shortName } from "../format.js";
import { lastModel } from "../model.js";
import { loadAndChat } from "../models/card.js";
import { choiceOf, looked, nameOf, offers } from "../models/offers.js";
import { loadStored, stored } from "../models/stored.js";
import { hrefOf } from "../route.js";
import { Button } from "../ui/controls.js";
import { t } from "../words/chat.js";

/** The first visit's words, or the way back to the model of the last one. `small`: below it stands a conversation. */
export function Welcome({ small }: { readonly small: boolean }): JSX.Element {
  return (
    <div class={small ? "welcome small-welcome" : "welcome"}>
      {!small && <h1>{t("welcome")}</h1>}
      {!small && <p class="lead">{t("lead")}</p>}
      <div class={looked.value ? "buttons" : "buttons unsettled"}>
        <First />
        <a class="button quiet" href={hrefOf("models")}>{t("allModels")}</a>
      </div>
    </div>
  );
}

/** The model that was used last, else the first that is stored, else the first offer. */
function First(): JSX.Element | null {
  const last = lastModel();
  const model = stored.value.find(({ name }) => name === last) ?? stored.value[0];
  if (model !== undefined) {
    const { complete, storedBytes, totalBytes } = model;
    return <Button kind="main" id="start" onClick={() => void loadStored(model)}>{t("start", { name: shortName(model.name) })} <span class="start-size">{complete ? t("startStored") : t("startSize", { size: formatBytes(totalBytes - storedBytes) })}</span></Button>;
  }
  const [offer] = offers();
  if (offer === undefined) return null;
  const bytes = offer.kind === "served" ? offer.served.bytes : offer.entry.bytes.value;
  return (
    <Button kind="main" id="start" onClick={() => void loadAndChat(choiceOf(offer))}>
      {t("start", { name: nameOf(offer) })} {bytes !== null && <span class="start-size">{t("startSize", { size: formatBytes(bytes) })}</span>}
    </Button>
  );
}
