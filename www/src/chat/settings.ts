/** How answers are made: the settings of new conversations, and those of the one that is shown. Remembered for the next visit. */
import { effect, signal, type Signal } from "@preact/signals";
import type { Adapter } from "doran";
import type { ChatSettings } from "../conversations/index.js";
import { engine } from "../model.js";

/** A LoRA adapter that is loaded beside the model, and how strongly it counts. */
export interface UsedAdapter {
  readonly adapter: Adapter;
  readonly scale: number;
}

const KEY = "chat-settings";
const NUMBERS = ["temperature", "topP", "topK", "minP", "repetitionPenalty", "frequencyPenalty", "presencePenalty", "maxTokens", "seed"] as const;
/** What small models are made for: near to the likeliest, and not endless. */
const DEFAULT: ChatSettings = { temperature: 0.2, topP: 0.9, maxTokens: 1024 };

/** The settings now. `?temperature=0` makes answers the same each time. */
export const chatSettings = signal<ChatSettings>(remembered());
/** Whether the oldest turns leave a context that is full. */
export const slides = rememberedSwitch("slides");
/** Whether models that can think first do so. */
export const thinks = rememberedSwitch("thinks");
/** The adapters that answers run with; they go with the model that they were loaded beside. */
export const adapters = signal<readonly UsedAdapter[]>([]);

effect(() => { if (engine.value === undefined) adapters.value = []; });

/** Changes some of the settings, and remembers them. */
export function setChatSettings(change: { readonly [K in keyof ChatSettings]?: ChatSettings[K] | undefined }): void {
  const next = Object.fromEntries(Object.entries({ ...chatSettings.value, ...change }).filter(([, value]) => value !== undefined && value !== ""));
  chatSettings.value = next;
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Then they are for this visit.
  }
}

/** The settings as they were in the beginning. */
export function resetChatSettings(): void {
  chatSettings.value = {};
  setChatSettings(DEFAULT);
}

/** A switch that is on until the reader turns it off. */
function rememberedSwitch(name: string): Signal<boolean> {
  const at = signal(true);
  try {
    at.value = localStorage.getItem(name) !== "off";
    effect(() => { localStorage.setItem(name, at.value ? "on" : "off"); });
  } catch {
    // Then it is for this visit.
  }
  return at;
}

function remembered(): ChatSettings {
  const asked = new URLSearchParams(location.search).get("temperature");
  return { ...DEFAULT, ...stored(), ...(asked === null ? {} : { temperature: Number(asked) }) };
}

function stored(): ChatSettings {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return typeof kept === "object" && kept !== null ? sound(kept) : {};
  } catch {
    return {};
  }
}

/** What of a record from storage can be believed. */
function sound(kept: object): ChatSettings {
  const fields = new Map(Object.entries(kept));
  const numbers = NUMBERS.map((name) => [name, fields.get(name)] as const).filter(([, value]) => Number.isFinite(value));
  const prompt: unknown = fields.get("systemPrompt");
  return { ...Object.fromEntries(numbers), ...(typeof prompt === "string" ? { systemPrompt: prompt } : {}) };
}
