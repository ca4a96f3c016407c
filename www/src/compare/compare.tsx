/** The comparison: one prompt, two models or two settings, two answers side by side. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ChatSettings } from "../conversations/index.js";
import { formatMs, formatNumber, shortName } from "../format.js";
import { engine } from "../model.js";
import { stored } from "../models/stored.js";
import { hrefOf } from "../route.js";
import { Button, Field } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { Prose } from "../ui/prose.js";
import { t } from "../words/compare.js";
import { compare, comparing, endComparison, setSide, sides, stopComparing, type Side } from "./run.js";

/** The view. */
export function Compare(): JSX.Element {
  const [prompt, setPrompt] = useState("");
  useEffect(() => () => void endComparison(), []);
  const models = stored.value.filter(({ complete }) => complete).map(({ name }) => name);
  const names = [...new Set([...(engine.value === undefined ? [] : [engine.value.info.name]), ...models])];
  const [left, right] = sides.value;
  return (
    <div class="page wide" id="compare">
      <h1>{t("title")}</h1>
      <p class="lead">{t("lead")}</p>
      {names.length === 0
        ? <p>{t("noModels")} <a href={hrefOf("models")}>{t("toModels")}</a></p>
        : (
          <>
            <form class="card" onSubmit={(event) => { event.preventDefault(); void compare(prompt); }}>
              <Field label={t("prompt")}>
                {(id) => <textarea id={id} rows={2} required placeholder={t("hint")} value={prompt} onInput={(event) => { setPrompt(event.currentTarget.value); }} />}
              </Field>
              <div class="buttons form-foot">
                {comparing.value ? <Button key="stop" kind="main" icon="stop" onClick={stopComparing}>{t("stop")}</Button> : <Button key="run" kind="main" submit>{t("run")}</Button>}
              </div>
            </form>
            <div class="sides">
              <SideView at={0} side={left} label={t("left")} names={names} />
              <SideView at={1} side={right} label={t("right")} names={names} />
            </div>
            {isWhole(left) && isWhole(right) && <p role="status" id="difference">{differenceOf(left.answer.text, right.answer.text)}</p>}
          </>
        )}
    </div>
  );
}

/** Whether a side has an answer to its end, with words in it. */
const isWhole = ({ state, answer: { finishReason, text } }: Side): boolean => state === "done" && finishReason !== undefined && text !== "";

function differenceOf(left: string, right: string): string {
  if (left === right) return t("same");
  const [a, b] = [left, right].map((text) => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment));
  let at = 0;
  while (a?.[at] === b?.[at]) at += 1;
  return t("different", { n: at + 1 });
}

interface SideProps {
  readonly at: 0 | 1;
  readonly side: Side;
  readonly label: string;
  readonly names: readonly string[];
}

function SideView({ at, side, label, names }: SideProps): JSX.Element {
  const { answer, state, settings } = side;
  const model = names.includes(side.model) ? side.model : names[0] ?? "";
  useEffect(() => { if (model !== side.model) setSide(at, { model }); }, [model, side.model]);
  const set = (change: ChatSettings): void => { setSide(at, { settings: { ...settings, ...change } }); };
  const number = (name: "temperature" | "seed" | "maxTokens", step: number): JSX.Element => (
    <Field label={t(name)}>
      {(id) => (
        <input
          id={id} type="number" min={0} step={step} value={settings[name] ?? ""}
          onChange={({ currentTarget: { valueAsNumber } }) => {
            const { [name]: _, ...rest } = settings;
            setSide(at, { settings: Number.isFinite(valueAsNumber) ? { ...rest, [name]: valueAsNumber } : rest });
          }}
        />
      )}
    </Field>
  );
  return (
    <section class="card side" aria-label={label} data-side={at} data-state={state}>
      <Field label={`${label}: ${t("model")}`}>
        {(id) => <select id={id} value={model} onChange={(event) => { setSide(at, { model: event.currentTarget.value }); }}>{names.map((name) => <option key={name} value={name}>{shortName(name)}</option>)}</select>}
      </Field>
      <div class="side-numbers">{number("temperature", 0.05)}{number("seed", 1)}{number("maxTokens", 1)}</div>
      <Field label={t("systemPrompt")}>{(id) => <textarea id={id} rows={1} value={settings.systemPrompt ?? ""} onChange={(event) => { set({ systemPrompt: event.currentTarget.value }); }} />}</Field>
      <div class="side-answer" aria-busy={state === "answering"}>
        {state === "waiting" && <p class="small">{t("waiting")}</p>}
        {state === "loading" && <p class="small" role="status">{t("loading", { name: shortName(model) })}</p>}
        {state === "answering" && answer.tokens === 0 && <p class="small" role="status">{t("reading")}</p>}
        {answer.text !== "" && <Prose key={state === "done" ? "done" : "coming"} text={answer.text} done={state === "done"} />}
        {side.error !== undefined && <Problem error={side.error} />}
      </div>
      {answer.tokens > 1 && <p class="small side-facts">{t("statistics", { tokens: answer.tokens, decode: formatNumber(answer.tokensPerSecond, 1), first: formatMs(answer.timeToFirstTokenMs) })}</p>}
    </section>
  );
}
