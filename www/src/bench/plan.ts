/**
 * What a run measures, step by step, and what room it needs. The address narrows a run, for short ones and for tests:
 * `?parts=prefill,decode&prefill=128&decode=0,1024&tokens=8&runs=1`; what it does not say is as usual.
 */

/** What can be left out. */
export const PARTS = ["ceilings", "load", "prefill", "decode", "kernels"] as const;
/** One of them. */
export type Part = (typeof PARTS)[number];

/** What is measured. */
export interface Plan {
  readonly parts: readonly Part[];
  /** Lengths of prompts, in tokens. */
  readonly prefill: readonly number[];
  /** Tokens before those that are decoded. */
  readonly decode: readonly number[];
  /** How many are decoded. */
  readonly tokens: number;
  /** How often each length is measured; the median counts. */
  readonly runs: number;
}

/** One thing that is done. `load` loads the model, `reload` does so again from the browser's storage. */
export type Step =
  | { readonly kind: "ceilings" | "load" | "reload" | "warmUp" | "kernels" }
  | { readonly kind: "prefill"; readonly tokens: number }
  | { readonly kind: "decode"; readonly context: number };

/** Why a step was left out. */
export type Skip =
  /** There is no room for so many tokens: the model's context is of `context`. */
  | { readonly why: "context"; readonly context: number }
  /** The model reads texts, or its answer does not go on with them. */
  | { readonly why: "kind" }
  /** The first load did not come from the network, or nothing was stored. */
  | { readonly why: "load" };

/** A step, and how far it is. */
export interface StepState {
  readonly step: Step;
  readonly state: "waiting" | "running" | "done" | "skipped" | "stopped" | "failed";
  /** Of a step that runs: the part that is done, from 0 to 1. */
  readonly fraction?: number;
  readonly skip?: Skip;
}

/** How often lengths may be measured. */
export const RUNS = [1, 3, 5] as const;
/** The context that kernels are timed behind: `engine.profile`'s own. */
export const KERNEL_CONTEXT = 511;
/** Tokens of the prompt that warms up, and of the answer to it. */
export const WARM_UP = { prompt: 32, answer: 2 };
/** Contexts are made in steps of this. */
const CONTEXT_STEP = 64;
const MOST = { length: 131_072, lengths: 16, tokens: 1024, runs: 20 };

const USUAL: Plan = { parts: PARTS, prefill: [128, 512, 2048], decode: [0, 1024, 4096], tokens: 32, runs: 3 };

/** The plan that an address asks for; what it says wrongly is as usual. */
export function planOf(query: URLSearchParams): Plan {
  const whole = (text: string | null, least: number, most: number): number | undefined => {
    const value = text === null || text.trim() === "" ? Number.NaN : Number(text);
    return Number.isInteger(value) && value >= least && value <= most ? value : undefined;
  };
  const lengths = (name: string, least: number, usual: readonly number[]): readonly number[] => {
    const asked = query.get(name)?.split(",").map((text) => whole(text, least, MOST.length));
    if (asked === undefined || asked.length > MOST.lengths) return usual;
    const right = asked.filter((one) => one !== undefined);
    return right.length === asked.length ? [...new Set(right)].sort((a, b) => a - b) : usual;
  };
  const named = query.get("parts")?.split(",");
  const parts = PARTS.filter((part) => named === undefined || named.includes(part));
  return {
    parts: parts.length === 0 ? USUAL.parts : parts,
    prefill: lengths("prefill", 1, USUAL.prefill),
    decode: lengths("decode", 0, USUAL.decode),
    tokens: whole(query.get("tokens"), 1, MOST.tokens) ?? USUAL.tokens,
    runs: whole(query.get("runs"), 1, MOST.runs) ?? USUAL.runs,
  };
}

/** The steps of a plan, in order. */
export function stepsOf({ parts, prefill, decode }: Plan): readonly Step[] {
  const has = (part: Part): boolean => parts.includes(part);
  const steps: Step[] = has("ceilings") ? [{ kind: "ceilings" }] : [];
  if (parts.every((part) => part === "ceilings")) return steps;
  steps.push({ kind: "load" });
  if (has("load")) steps.push({ kind: "reload" });
  if (has("prefill") || has("decode")) steps.push({ kind: "warmUp" });
  if (has("prefill")) steps.push(...prefill.map((tokens): Step => ({ kind: "prefill", tokens })));
  if (has("decode")) steps.push(...decode.map((context): Step => ({ kind: "decode", context })));
  if (has("kernels")) steps.push({ kind: "kernels" });
  return steps;
}

/** Tokens that a step needs room for. A prompt's first token of an answer belongs to it. */
export function roomOf(step: Step, { tokens }: Pick<Plan, "tokens">): number {
  if (step.kind === "prefill") return step.tokens + 1;
  if (step.kind === "decode") return step.context + tokens;
  if (step.kind === "kernels") return KERNEL_CONTEXT + 1;
  return step.kind === "warmUp" ? WARM_UP.prompt + WARM_UP.answer : 0;
}

/** The context to load a model with, of those that it takes at most. */
export function contextFor(plan: Plan, maxContext: number): number {
  const needed = Math.max(CONTEXT_STEP, ...stepsOf(plan).map((step) => roomOf(step, plan)));
  return Math.min(maxContext, Math.ceil(needed / CONTEXT_STEP) * CONTEXT_STEP);
}

/** Why a step cannot be done on a model that is loaded; nothing where it can. */
export function skipOf(step: Step, plan: Plan, model: { readonly context: number; readonly kind: string }): Skip | undefined {
  const reads = step.kind === "prefill" || step.kind === "decode" || step.kind === "warmUp";
  if (reads && model.kind !== "decoder") return { why: "kind" };
  return roomOf(step, plan) > model.context ? { why: "context", context: model.context } : undefined;
}

/** How much of all steps is done, from 0 to 1. */
export function doneOf(steps: readonly StepState[]): number {
  const of = ({ state, fraction = 0 }: StepState): number => (state === "running" ? fraction : state === "waiting" ? 0 : 1);
  return steps.length === 0 ? 0 : steps.reduce((sum, step) => sum + of(step), 0) / steps.length;
}

/**
 * Ids that begin otherwise than those of any other `run`, so that nothing of the KV cache is used again. A linear congruential
 * generator (Numerical Recipes, 1664525 and 1013904223), begun at a place of the run's own.
 */
export function promptOf(run: number, length: number, vocabSize: number): Uint32Array {
  let state = Math.imul(run, 2654435761);
  return Uint32Array.from({ length }, (_, at) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // The first id is the run's own, whatever the generator says.
    return (at === 0 ? run : state) % vocabSize;
  });
}
