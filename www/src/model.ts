/** The model that the page talks with: one for all views, how far its load is, and what went wrong. */
import { signal } from "@preact/signals";
import { Engine, PauseController, type LoadOptions, type ModelSource, type Progress } from "doran";
import { newId } from "./conversations/tree.js";
import { startCounting, stopCounting, watchRequests } from "./requests.js";

/** What a reader chose to load. */
export interface Choice {
  readonly name: string;
  readonly source: ModelSource;
  readonly options?: LoadOptions;
}

/** A load on its way. */
export interface Loading {
  readonly choice: Choice;
  readonly progress: Progress | undefined;
  readonly paused: boolean;
}

/** The loaded model. */
export const engine = signal<Engine | undefined>(undefined);
/** What loads now. */
export const loading = signal<Loading | undefined>(undefined);
/** Why the last load failed. */
export const loadProblem = signal<unknown>(undefined);
/** Rises with each change of what is stored. */
export const storedChanges = signal(0);

/** This tab, for messages that all tabs hear. */
const TAB = newId();
const LAST = "last-model";

let running: { readonly controller: AbortController; readonly pause: PauseController } | undefined;

watchRequests(TAB);

/** The worker that tells of its requests, in place of the package's own. */
const createWorker = (): Worker => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: TAB });

/** Options that every load of the page has. */
export const pageOptions = (): LoadOptions & { readonly createWorker: () => Worker } => ({ createWorker });

/** Loads a model in the place of the one that is loaded; gives whether it is ready. One load at a time. */
export async function load(choice: Choice): Promise<boolean> {
  if (running !== undefined) return false;
  const controller = new AbortController();
  const pause = new PauseController();
  running = { controller, pause };
  loadProblem.value = undefined;
  loading.value = { choice, progress: undefined, paused: false };
  stopCounting();
  const prepared = preparePage();
  try {
    await unload();
    // Of a first load that is cut off something is stored, which the next visit begins with.
    if (lastModel() === undefined) remember(choice.name);
    const loaded = await Engine.load(choice.source, {
      ...pageOptions(), ...choice.options, pause, signal: controller.signal,
      onProgress: (progress) => { if (loading.value !== undefined) loading.value = { ...loading.value, progress }; },
    });
    await prepared;
    engine.value = loaded;
    remember(loaded.info.name);
    // Asked for once something worth keeping is here; where it stands shows among the stored models.
    void navigator.storage?.persist?.();
    startCounting();
    return true;
  } catch (error) {
    if (!controller.signal.aborted) loadProblem.value = error;
    return false;
  } finally {
    running = undefined;
    loading.value = undefined;
    storedChanges.value += 1;
  }
}

/** Fetches what an answer needs of the page itself while the model comes, so that nothing is fetched once it is ready. */
async function preparePage(): Promise<void> {
  await Promise.all([import("doran/openai"), import("./markdown/index.js").then((room) => room.prepare())]).catch(() => undefined);
}

/** Pauses the download, or lets it go on. */
export function togglePause(): void {
  if (running === undefined || loading.value === undefined) return;
  const { pause } = running;
  if (pause.paused) pause.resume();
  else pause.pause();
  loading.value = { ...loading.value, paused: pause.paused };
}

/** Gives up the load; what was stored stays. */
export function cancelLoad(): void {
  running?.controller.abort();
}

/** Frees the model. */
export async function unload(): Promise<void> {
  const leaving = engine.value;
  engine.value = undefined;
  stopCounting();
  await leaving?.unload();
}

/** The name of the model that was loaded last, also in an earlier visit. */
export function lastModel(): string | undefined {
  try {
    return localStorage.getItem(LAST) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(LAST, name);
  } catch {
    // Then the next visit asks.
  }
}
