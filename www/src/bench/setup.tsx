/** What to measure: a model, the parts of a run, how often; and the buttons that begin and end it. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { formatNumber, shortName } from "../format.js";
import type { Choice } from "../model.js";
import { sourceOf } from "../models/bring.js";
import { choiceOf, forSource, served } from "../models/offers.js";
import { loadOptions, loadSettings, setLoadSettings } from "../models/options.js";
import { stored } from "../models/stored.js";
import { Button, Field } from "../ui/controls.js";
import { t } from "../words/bench.js";
import { PARTS, planOf, RUNS, type Part, type Plan } from "./plan.js";
import { running, start, stop } from "./run.js";
import { sayList } from "./say.js";

const QUERY = new URLSearchParams(location.search);
const ASKED: Plan = planOf(QUERY);
const NARROWED = ["prefill", "decode", "tokens"].some((name) => QUERY.has(name));
const ANOTHER = "another";

/** Models that can be chosen by name, the stored ones first: those are here already. */
interface Named {
  readonly key: string;
  readonly name: string;
  readonly choice: () => Choice;
}

function storedModels(): readonly Named[] {
  const { quantize: _, ...options } = loadOptions();
  return stored.value.filter(({ complete }) => complete)
    .map(({ name }) => ({ key: `stored:${name}`, name: shortName(name), choice: () => ({ name, source: { stored: name }, options }) }));
}

const servedModels = (): readonly Named[] =>
  served.value.map((one) => ({ key: `served:${one.name}`, name: shortName(one.name), choice: () => choiceOf({ kind: "served", served: one }) }));

function typedChoice(text: string): Choice {
  const source = sourceOf(text);
  return { name: shortName(text), source, options: forSource(loadOptions(), source) };
}

/** The form. */
export function SetUp(): JSX.Element {
  const [chosen, setChosen] = useState("");
  const [typed, setTyped] = useState("");
  const [parts, setParts] = useState<readonly Part[]>(ASKED.parts);
  const [runs, setRuns] = useState(ASKED.runs);
  const groups = [{ label: t("inBrowser"), models: storedModels() }, { label: t("onServer"), models: servedModels() }].filter(({ models }) => models.length > 0);
  const named = groups.flatMap(({ models }) => models);
  const model = named.find(({ key }) => key === chosen) ?? (chosen === ANOTHER ? undefined : named[0]);
  const begin = (): void => { void start(model?.choice() ?? typedChoice(typed), { ...ASKED, parts, runs }); };
  return (
    <form class="card" id="set-up" aria-label={t("setUp")} onSubmit={(event) => { event.preventDefault(); begin(); }}>
      <fieldset disabled={running.value} class="bench-form">
        <div>
          <Field label={t("model")}>
            {(id) => (
              <select id={id} value={model?.key ?? ANOTHER} onChange={(event) => { setChosen(event.currentTarget.value); }}>
                {groups.map(({ label, models }) => <optgroup key={label} label={label}>{models.map(({ key, name }) => <option key={key} value={key}>{name}</option>)}</optgroup>)}
                <option value={ANOTHER}>{t("another")}</option>
              </select>
            )}
          </Field>
          {model === undefined && (
            <Field label={t("address")} help={t("addressHelp")}>
              {(id, help) => <input id={id} aria-describedby={help} required autocomplete="off" spellcheck={false} placeholder="owner/name" value={typed} onInput={(event) => { setTyped(event.currentTarget.value); }} />}
            </Field>
          )}
          <div class="bench-pair">
            <Field label={t("precision")}>
              {(id) => (
                <select id={id} value={loadSettings.value.precision} onChange={({ currentTarget: { value } }) => { setLoadSettings({ precision: value === "fast" ? "fast" : "exact" }); }}>
                  <option value="exact">{t("exact")}</option>
                  <option value="fast">{t("fast")}</option>
                </select>
              )}
            </Field>
            <Field label={t("runs")} help={t("runsHelp")}>
              {(id, help) => (
                <select id={id} aria-describedby={help} value={runs} onChange={({ currentTarget: { value } }) => { setRuns(Number(value)); }}>
                  {[...new Set([...RUNS, ASKED.runs])].sort((a, b) => a - b).map((n) => <option key={n} value={n}>{formatNumber(n)}</option>)}
                </select>
              )}
            </Field>
          </div>
        </div>
        <fieldset class="bench-parts">
          <legend class="small">{t("parts")}</legend>
          {PARTS.map((part) => (
            <label class="check" key={part}>
              <input type="checkbox" name={part} checked={parts.includes(part)} onChange={({ currentTarget: { checked } }) => { setParts(PARTS.filter((one) => (one === part ? checked : parts.includes(one)))); }} /> {t(`part_${part}`)}
            </label>
          ))}
        </fieldset>
      </fieldset>
      {NARROWED && <p class="small form-foot" id="narrowed">{t("narrowed", { prefill: listOf(ASKED.prefill), tokens: ASKED.tokens, decode: listOf(ASKED.decode) })}</p>}
      <div class="buttons form-foot">
        {/* Two elements: one that became the other while it is clicked would begin what it has just ended. */}
        {running.value
          ? <Button key="stop" kind="main" icon="stop" id="stop" onClick={stop}>{t("stop")}</Button>
          : <Button key="run" kind="main" submit id="run" disabled={parts.length === 0}>{t("run")}</Button>}
      </div>
    </form>
  );
}

const listOf = (lengths: readonly number[]): string => sayList(lengths.map((one) => formatNumber(one)));
