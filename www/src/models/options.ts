/** How models are loaded: what the reader set once, for every load. The token of the hub is kept for this visit only. */
import { signal } from "@preact/signals";
import type { LoadOptions, Quantize } from "doran";

/** What the form has. */
export interface LoadSettings {
  readonly context: number | undefined;
  readonly quantize: Quantize | undefined;
  readonly precision: "exact" | "fast";
  readonly evict: boolean;
  readonly hub: string;
  /** A chat template in place of the model's own. */
  readonly chatTemplate: string;
}

/** What full-size weights can be made. */
export const QUANTIZE: readonly Quantize[] = ["q8_0", "q6_k", "q4_k", "q4_0"];
const KEY = "load-settings";
const DEFAULT: LoadSettings = { context: undefined, quantize: "q8_0", precision: "exact", evict: false, hub: "", chatTemplate: "" };

/** The settings now. */
export const loadSettings = signal<LoadSettings>(remembered());
/** The access token of the hub. */
export const token = signal("");

/** Changes some of the settings, and remembers them. */
export function setLoadSettings(change: Partial<LoadSettings>): void {
  loadSettings.value = { ...loadSettings.value, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(loadSettings.value));
  } catch {
    // Then they are for this visit.
  }
}

/** What says to the hub who asks; to nobody else. */
export const hubHeaders = (): Pick<LoadOptions, "headers"> => (token.value === "" ? {} : { headers: { Authorization: `Bearer ${token.value}` } });

/** As a load takes them, from wherever. */
export function loadOptions(): LoadOptions {
  const { context, quantize, precision, evict, hub, chatTemplate } = loadSettings.value;
  return {
    fit: "auto", precision, evict,
    ...(context === undefined ? {} : { context }),
    ...(quantize === undefined ? {} : { quantize }),
    ...(hub === "" ? {} : { hub }),
    ...(chatTemplate === "" ? {} : { chatTemplate }),
  };
}

function remembered(): LoadSettings {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return typeof kept === "object" && kept !== null ? { ...DEFAULT, ...sound(kept) } : DEFAULT;
  } catch {
    return DEFAULT;
  }
}

/** What of a record from storage can be believed. */
function sound(kept: object): Partial<LoadSettings> {
  const quantize = "quantize" in kept ? QUANTIZE.find((one) => one === kept.quantize) : undefined;
  return {
    ...("context" in kept && typeof kept.context === "number" ? { context: kept.context } : {}),
    quantize,
    ...("precision" in kept && (kept.precision === "fast" || kept.precision === "exact") ? { precision: kept.precision } : {}),
    ...("evict" in kept && typeof kept.evict === "boolean" ? { evict: kept.evict } : {}),
    ...("hub" in kept && typeof kept.hub === "string" ? { hub: kept.hub } : {}),
    ...("chatTemplate" in kept && typeof kept.chatTemplate === "string" ? { chatTemplate: kept.chatTemplate } : {}),
  };
}
