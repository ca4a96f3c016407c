/** Models that the gallery does not have: a name on the hub, an address, files; and how models are loaded. */
import { DoranError, type ModelSource } from "doran";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { shortName } from "../format.js";
import { loading, loadProblem } from "../model.js";
import { Button, Field } from "../ui/controls.js";
import { useDrops } from "../ui/drops.js";
import { t } from "../words/models.js";
import { loadAndChat } from "./card.js";
import { forSource } from "./offers.js";
import { loadOptions, loadSettings, QUANTIZE, setLoadSettings } from "./options.js";

/** What was typed, as a source: an address, or a place on the hub with or without `hf:`. */
export function sourceOf(typed: string): ModelSource {
  const text = typed.trim();
  if (/^https?:/i.test(text)) return new URL(text);
  if (text.startsWith("hf:")) return text;
  if (/^[\w.-]+\/[\w.@/-]+$/.test(text)) return `hf:${text}`;
  return new URL(text, location.href);
}

function loadTyped(text: string): void {
  let source: ModelSource;
  try {
    source = sourceOf(text);
  } catch {
    loadProblem.value = new DoranError("bad_argument", `${text} is neither an address nor owner/name`);
    return;
  }
  void loadAndChat({ name: shortName(text), source, options: forSource(loadOptions(), source) });
}

function loadFiles(files: readonly File[]): void {
  const [first] = files;
  if (first === undefined) return;
  const source: ModelSource = files.length === 1 ? first : { files: files.map((file) => ({ path: file.name, file })) };
  const isGguf = files.length === 1 || files.some((file) => /\.gguf$/i.test(file.name));
  const { quantize, ...rest } = loadOptions();
  void loadAndChat({ name: first.name, source, options: isGguf || quantize === undefined ? rest : { ...rest, quantize } });
}

/** The card. */
export function Bring(): JSX.Element {
  const [typed, setTyped] = useState("");
  useDrops(loadFiles);
  return (
    <section class="card" aria-labelledby="bring-title">
      <h2 id="bring-title">{t("bring")}</h2>
      <form id="by-address" onSubmit={(event) => { event.preventDefault(); loadTyped(typed); }}>
        <Field label={t("address")} help={t("bringHelp")}>
          {(id, help) => (
            <div class="row">
              <input id={id} aria-describedby={help} required autocomplete="off" spellcheck={false} placeholder="owner/name" value={typed} onInput={(event) => { setTyped(event.currentTarget.value); }} />
              <Button kind="main" submit disabled={loading.value !== undefined}>{t("load")}</Button>
            </div>
          )}
        </Field>
      </form>
      <div class="drop">
        <label class="button quiet"><span>{t("chooseFile")}</span><input id="file" type="file" multiple class="unseen" onChange={(event) => { loadFiles([...event.currentTarget.files ?? []]); event.currentTarget.value = ""; }} /></label>
        <span class="small">{t("drop")}</span>
      </div>
      <LoadForm />
    </section>
  );
}

/** How models are loaded. Of what cannot be meant the browser says why, and nothing changes. */
function LoadForm(): JSX.Element {
  const { context, quantize, precision, evict, hub, chatTemplate } = loadSettings.value;
  return (
    <details class="options">
      <summary>{t("options")}</summary>
      <Field label={t("context")} help={t("contextHelp")}>
        {(id, help) => <input id={id} aria-describedby={help} type="number" min={64} step={1} value={context ?? ""} onChange={({ currentTarget }) => { if (currentTarget.reportValidity()) setLoadSettings({ context: currentTarget.value === "" ? undefined : currentTarget.valueAsNumber }); }} />}
      </Field>
      <Field label={t("quantize")} help={t("quantizeHelp")}>
        {(id, help) => (
          <select id={id} aria-describedby={help} value={quantize ?? ""} onChange={({ currentTarget: { value } }) => { setLoadSettings({ quantize: QUANTIZE.find((one) => one === value) }); }}>
            <option value="">{t("asTheyAre")}</option>
            {QUANTIZE.map((one) => <option key={one} value={one}>{one.toUpperCase()}</option>)}
          </select>
        )}
      </Field>
      <Field label={t("precision")}>
        {(id) => (
          <select id={id} value={precision} onChange={({ currentTarget: { value } }) => { setLoadSettings({ precision: value === "fast" ? "fast" : "exact" }); }}>
            <option value="exact">{t("exact")}</option>
            <option value="fast">{t("fast")}</option>
          </select>
        )}
      </Field>
      <Field label={t("hub")} help={t("hubHelp")}>
        {(id, help) => <input id={id} aria-describedby={help} type="url" placeholder="https://huggingface.co" value={hub} onChange={({ currentTarget }) => { if (currentTarget.reportValidity()) setLoadSettings({ hub: currentTarget.value.trim() }); }} />}
      </Field>
      <Field label={t("chatTemplate")} help={t("chatTemplateHelp")}>
        {(id, help) => <textarea id={id} aria-describedby={help} rows={3} spellcheck={false} value={chatTemplate} onChange={({ currentTarget: { value } }) => { setLoadSettings({ chatTemplate: value }); }} />}
      </Field>
      <label class="check"><input type="checkbox" checked={evict} onChange={({ currentTarget: { checked } }) => { setLoadSettings({ evict: checked }); }} /> {t("evict")}</label>
    </details>
  );
}
