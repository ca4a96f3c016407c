/** A comparison as it runs: two sides, each with a model and settings, that answer one after the other so that neither slows the other. */
import { signal } from "@preact/signals";
import { Engine } from "doran";
import { ask, NOTHING, type Answer } from "../chat/answer.js";
import { thinks } from "../chat/settings.js";
import type { ChatSettings } from "../conversations/index.js";
import { engine, pageOptions } from "../model.js";

/** One side. */
export interface Side {
  /** The name of a stored model; empty is the one that is loaded. */
  readonly model: string;
  readonly settings: ChatSettings;
  readonly state: "idle" | "waiting" | "loading" | "answering" | "done";
  readonly answer: Answer;
  readonly error?: unknown;
}

const SIDE: Side = { model: "", settings: { temperature: 0, maxTokens: 256 }, state: "idle", answer: NOTHING };

/** Both sides. */
export const sides = signal<readonly [Side, Side]>([SIDE, { ...SIDE, settings: { temperature: 0.8, maxTokens: 256 } }]);
/** Whether they answer now. */
export const comparing = signal(false);

/** A model beside the page's own. */
let second: Engine | undefined;
let controller: AbortController | undefined;

/** Changes one side. */
export function setSide(at: 0 | 1, change: Partial<Side>): void {
  const [left, right] = sides.value;
  sides.value = at === 0 ? [{ ...left, ...change }, right] : [left, { ...right, ...change }];
}

/** Has both answer. */
export async function compare(prompt: string): Promise<void> {
  if (comparing.value || prompt.trim() === "") return;
  comparing.value = true;
  const own = new AbortController();
  controller = own;
  for (const at of [0, 1] as const) setSide(at, { state: "waiting", answer: NOTHING, error: undefined });
  try {
    for (const at of [0, 1] as const) await answerOn(at, prompt, own.signal);
  } finally {
    comparing.value = false;
  }
}

/** Ends both. */
export function stopComparing(): void {
  controller?.abort();
}

/** Frees the model beside the page's own: the view is left. */
export async function endComparison(): Promise<void> {
  stopComparing();
  const leaving = second;
  second = undefined;
  await leaving?.unload();
}

async function answerOn(at: 0 | 1, prompt: string, signal: AbortSignal): Promise<void> {
  const { model, settings } = sides.value[at];
  try {
    signal.throwIfAborted();
    setSide(at, { state: "loading" });
    const loaded = await engineOf(model, signal);
    setSide(at, { state: "answering" });
    const system = settings.systemPrompt === undefined || settings.systemPrompt === "" ? [] : [{ role: "system", content: settings.systemPrompt } as const];
    const messages = [...system, { role: "user", content: prompt } as const];
    await ask(loaded, { messages, settings, thinks: thinks.value, signal }, (answer) => { setSide(at, { answer }); });
  } catch (error) {
    if (!signal.aborted) setSide(at, { error });
  } finally {
    setSide(at, { state: "done" });
  }
}

async function engineOf(name: string, signal: AbortSignal): Promise<Engine> {
  const own = engine.value;
  if (own !== undefined && (name === "" || own.info.name === name)) return own;
  if (second?.info.name === name) return second;
  await second?.unload();
  second = undefined;
  second = await Engine.load({ stored: name }, { ...pageOptions(), fit: "auto", signal });
  return second;
}
