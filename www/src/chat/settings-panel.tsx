/** The settings of answers, each with plain words on what it does; and the adapters. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ModelSource } from "doran";
import { formatBytes, shortName } from "../format.js";
import { engine } from "../model.js";
import { sourceOf } from "../models/bring.js";
import { hubHeaders, loadSettings } from "../models/options.js";
import { Button, Dialog, Field } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/chat.js";
import { t as shell } from "../words/shell.js";
import { adapters, chatSettings, resetChatSettings, setChatSettings, slides, thinks } from "./settings.js";

/** Settings that are a number: their range, and whether a slider suits them. */
const NUMBERS = [
  { name: "temperature", min: 0, max: 2, step: 0.05, slider: true },
  { name: "topP", min: 0, max: 1, step: 0.01, slider: true },
  { name: "topK", min: 0, max: 1000, step: 1, slider: false },
  { name: "minP", min: 0, max: 1, step: 0.01, slider: false },
  { name: "repetitionPenalty", min: 0.5, max: 2, step: 0.01, slider: false },
  { name: "maxTokens", min: 1, max: 32768, step: 1, slider: false },
  { name: "seed", min: 0, max: 4294967295, step: 1, slider: false },
] as const;

/** The button that shows the panel. */
export function SettingsButton(): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button kind="bare" icon="settings" id="settings" label={t("settings")} onClick={() => { setOpen(true); }} />
      {open && <Dialog title={t("settings")} closeLabel={shell("close")} drawer onClose={() => { setOpen(false); }}><Panel /></Dialog>}
    </>
  );
}

function Panel(): JSX.Element {
  const settings = chatSettings.value;
  return (
    <div class="settings">
      <Field label={t("systemPrompt")} help={t("systemPromptHelp")}>
        {(id, help) => <textarea id={id} aria-describedby={help} rows={3} value={settings.systemPrompt ?? ""} onInput={(event) => { setChatSettings({ systemPrompt: event.currentTarget.value }); }} />}
      </Field>
      {NUMBERS.map((one) => <NumberField key={one.name} {...one} value={settings[one.name]} />)}
      <label class="check"><input type="checkbox" checked={slides.value} onChange={({ currentTarget: { checked } }) => { slides.value = checked; }} /> {t("slides")}</label>
      <label class="check"><input type="checkbox" checked={thinks.value} onChange={({ currentTarget: { checked } }) => { thinks.value = checked; }} /> {t("thinks")}</label>
      <div class="buttons settings-foot"><Button onClick={resetChatSettings}>{t("reset")}</Button></div>
      <Adapters />
    </div>
  );
}

type NumberName = (typeof NUMBERS)[number]["name"];

interface NumberProps {
  readonly name: NumberName;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly slider: boolean;
  readonly value: number | undefined;
}

function NumberField({ name, min, max, step, slider, value }: NumberProps): JSX.Element {
  const set = ({ currentTarget: { valueAsNumber: wanted } }: { currentTarget: HTMLInputElement }): void => {
    setChatSettings({ [name]: Number.isFinite(wanted) ? Math.min(max, Math.max(min, wanted)) : undefined });
  };
  return (
    <Field label={t(name)} help={t(`${name}Help`)}>
      {(id, help) => (slider
        ? <div class="row"><input id={id} aria-describedby={help} type="range" min={min} max={max} step={step} value={value ?? max} onInput={set} /><output for={id}>{value ?? ""}</output></div>
        : <input id={id} aria-describedby={help} type="number" inputmode="decimal" min={min} max={max} step={step} value={value ?? ""} onChange={set} />)}
    </Field>
  );
}

/** LoRA adapters beside the loaded model: added by a name, an address or a file, and weighed. */
function Adapters(): JSX.Element {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(undefined);
  const model = engine.value;
  const add = async (source: ModelSource): Promise<void> => {
    if (model === undefined) return;
    setBusy(true);
    setProblem(undefined);
    const { hub } = loadSettings.value;
    try {
      const adapter = await model.loadAdapter(source, { ...(hub === "" ? {} : { hub }), ...(typeof source === "string" && source.startsWith("hf:") ? hubHeaders() : {}) });
      adapters.value = [...adapters.value, { adapter, scale: 1 }];
      setTyped("");
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-labelledby="adapters-title" id="adapters">
      <h3 id="adapters-title">{t("adapters")}</h3>
      <p class="small">{t(model === undefined ? "adaptersNeedModel" : "adaptersHelp")}</p>
      <ul class="plain">
        {adapters.value.map(({ adapter, scale }, at) => {
          const name = adapter.title ?? shortName(adapter.name);
          return (
            <li key={adapter.name} class="adapter">
              <div class="row"><span class="name">{name}</span><Button kind="bare" icon="trash" label={t("removeAdapter", { name })} onClick={() => { adapters.value = adapters.value.filter((_, other) => other !== at); void adapter.unload(); }} /></div>
              <div class="small">{t("adapterFacts", { rank: adapter.rank, bytes: formatBytes(adapter.bytes) })}</div>
              <div class="row">
                <input type="range" min={0} max={2} step={0.05} aria-label={t("adapterScale", { name })} value={scale} onInput={({ currentTarget: { valueAsNumber } }) => { adapters.value = adapters.value.map((one, other) => (other === at ? { ...one, scale: valueAsNumber } : one)); }} />
                <output>{scale}</output>
              </div>
            </li>
          );
        })}
      </ul>
      {model !== undefined && (
        <form class="row" onSubmit={(event) => { event.preventDefault(); if (typed.trim() !== "") void add(sourceOf(typed)); }}>
          <input aria-label={t("adapterAddress")} placeholder={t("adapterAddress")} autocomplete="off" spellcheck={false} value={typed} onInput={(event) => { setTyped(event.currentTarget.value); }} />
          <Button submit disabled={busy}>{t("addAdapter")}</Button>
          <label class="button quiet">{t("adapterFile")}<input type="file" class="unseen" disabled={busy} onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file !== undefined) void add(file); }} /></label>
        </form>
      )}
      {problem !== undefined && <Problem error={problem} />}
    </section>
  );
}
