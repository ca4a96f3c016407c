/** The playground: answers of a form, and calls of tools. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { engine } from "../model.js";
import { hrefOf } from "../route.js";
import { t } from "../words/play.js";
import { Forms } from "./forms.js";
import { ToolCalls } from "./tool-calls.js";

/** What can be tried. */
const KINDS = ["json", "anyJson", "regex", "tools"] as const;
/** One of them. */
export type Kind = (typeof KINDS)[number];

/** The view. */
export function Play(): JSX.Element {
  const [kind, setKind] = useState<Kind>("json");
  const model = engine.value;
  return (
    <div class="page" id="play">
      <h1>{t("title")}</h1>
      <p class="lead">{t("lead")}</p>
      {model === undefined ? <p>{t("noModel")} <a href={hrefOf("models")}>{t("toModels")}</a></p> : (
        <>
          <div class="buttons" role="group" aria-label={t("kind")}>
            {KINDS.map((one) => <button key={one} type="button" class="button quiet" aria-pressed={kind === one} onClick={() => { setKind(one); }}>{t(one)}</button>)}
          </div>
          {kind === "tools" ? <ToolCalls model={model} /> : <Forms key={kind} kind={kind} model={model} />}
        </>
      )}
    </div>
  );
}
