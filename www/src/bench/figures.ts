/** What results say, in numbers: limits, shares, stacks, and the rows of the table. No words, so that it is tested without a page. */
import type { Ceilings, Decode, Kernel, Load, Memory, Result } from "../../../benches/result.mjs";

/** The middle of values, of an even number the upper one of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** What is read for a token there, in bytes: weights, keys and values. Where only some token was counted, its weights. */
export function bytesPerToken({ countersPerToken = {} }: Pick<Result, "countersPerToken">, { weightBytes, kvBytes = 0 }: Decode): number | undefined {
  const weights = weightBytes ?? countersPerToken["weightBytesRead"] ?? 0;
  return weights === 0 ? undefined : weights + kvBytes;
}

/** Tokens a second that the adapter cannot go beyond: the bytes that it reads in a second, by those of a token. */
export function limitOf(result: Pick<Result, "ceilings" | "countersPerToken">, decode: Decode): number | undefined {
  const bytes = bytesPerToken(result, decode);
  return result.ceilings === undefined || bytes === undefined ? undefined : result.ceilings.bytesReadPerSecond / bytes;
}

/** A part of something stacked. Of those that are too small to be told apart, `name` is undefined. */
export interface Portion {
  readonly name: string | undefined;
  readonly ms: number;
}

/** The time of a step by its kernels, the longest first. */
export interface KernelStack {
  /** Rows of the step: 1 for a decoded token. */
  readonly rows: number;
  readonly ms: number;
  readonly portions: readonly Portion[];
}

/** The operation that a kernel is of: its name without what fills its slots. */
export const operationOf = (kernel: string): string => /^[\w.-]+/.exec(kernel)?.[0] ?? kernel;

/** Steps by operation; those beyond `most` of all steps together are one portion. */
export function kernelStacks(kernels: readonly Kernel[], most = 7): readonly KernelStack[] {
  const rows = [...new Set(kernels.map((kernel) => kernel.rows))].sort((a, b) => a - b);
  const steps = rows.map((of) => ({ of, times: timesOf(kernels.filter((kernel) => kernel.rows === of)) }));
  // By their largest share of any step: a step of a second must not hide what a token of milliseconds is made of.
  const shares = new Map<string, number>();
  for (const { times } of steps) {
    const whole = sum(times.values());
    for (const [name, ms] of times) shares.set(name, Math.max(shares.get(name) ?? 0, whole === 0 ? 0 : ms / whole));
  }
  const named = [...shares].sort(([, a], [, b]) => b - a).slice(0, most).map(([name]) => name);
  return steps.map(({ of, times }) => {
    const portions: Portion[] = named.flatMap((name) => (times.has(name) ? [{ name, ms: times.get(name) ?? 0 }] : []));
    const rest = sum([...times].filter(([name]) => !named.includes(name)).map(([, ms]) => ms));
    return { rows: of, ms: sum(times.values()), portions: rest > 0 ? [...portions, { name: undefined, ms: rest }] : portions };
  });
}

function timesOf(kernels: readonly Kernel[]): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { kernel, ms } of kernels) times.set(operationOf(kernel), (times.get(operationOf(kernel)) ?? 0) + ms);
  return times;
}

const sum = (values: Iterable<number>): number => [...values].reduce((all, one) => all + one, 0);

/** The part of a kernel's time that the adapter needs at least: for what it reads, or for what it multiplies if that is more. */
export function shareOf({ ms, weightBytes, kvBytes, multiplyAdds }: Kernel, { vec4LoadsPerSecond, bytesReadPerSecond, fmaPerSecond }: Ceilings): number | undefined {
  const bytes = weightBytes + kvBytes;
  const least = Math.max(bytes / 16 / vec4LoadsPerSecond, bytes / bytesReadPerSecond, multiplyAdds / fmaPerSecond);
  return least === 0 || ms === 0 ? undefined : (least * 1000) / ms;
}

/** Memory by what it is for, in bytes; what is not known apart is the rest. */
export function memoryParts({ gpuBytes, weightsBytes = 0, kvBytes = 0 }: Memory): { readonly weights: number; readonly kv: number; readonly rest: number } {
  const weights = Math.min(weightsBytes, gpuBytes);
  const kv = Math.min(kvBytes, gpuBytes - weights);
  return { weights, kv, rest: gpuBytes - weights - kv };
}

/** Counts of several tokens, for one. What is a state and no count is left out. */
export function perToken(counters: object, tokens: number): Record<string, number> {
  const states = ["liveObjects", "gpuBytes"];
  return Object.fromEntries(Object.entries(counters).flatMap(([name, count]: [string, unknown]) => (
    typeof count === "number" && !states.includes(name) ? [[name, count / tokens]] : []
  )));
}

/** A device by its name: what tells most of what its adapter says. */
export function deviceName({ device: { adapter } }: Result): string {
  const { description, device, vendor, architecture } = adapter;
  const name = [description, device].find((one) => one !== "");
  return name ?? ([vendor, architecture].filter((one) => one !== "").join(" ") || "?");
}

/** What a row of the table is of. */
export type Measure =
  | { readonly of: "read" | "copy" | "fma" | "dot4" | "dispatch" | "roundTrip" | "cold" | "warm" | "gpu" | "weights" | "kv" | "wasm" }
  | { readonly of: "prefill"; readonly tokens: number }
  | { readonly of: "decode" | "limit" | "share"; readonly context: number }
  | { readonly of: "step"; readonly rows: number }
  | { readonly of: "count"; readonly counter: string };

/** A group of rows. */
export type Group = "ceilings" | "load" | "prefill" | "decode" | "kernels" | "memory" | "counts";

/** A row: what it is of, and its value of each result. A result that has none of it has `undefined`. */
export interface Row {
  readonly group: Group;
  readonly measure: Measure;
  readonly values: readonly (number | undefined)[];
}

/** The rows that any of the results has something for. */
export function rowsOf(results: readonly Result[]): readonly Row[] {
  const row = (group: Group, measure: Measure, of: (result: Result) => number | undefined): Row => ({ group, measure, values: results.map(of) });
  const lengths = all(results, ({ prefill = [] }) => prefill.map(({ promptTokens }) => promptTokens));
  const contexts = all(results, ({ decode = [] }) => decode.map(({ context }) => context));
  const steps = all(results, ({ kernels = [] }) => kernels.map(({ rows }) => rows));
  const counters = [...new Set(results.flatMap(({ countersPerToken = {} }) => Object.keys(countersPerToken)))].slice(0, 30);
  const load = (of: Load | undefined): number | undefined => of?.ms;
  return [
    row("ceilings", { of: "read" }, ({ ceilings }) => ceilings?.bytesReadPerSecond),
    row("ceilings", { of: "copy" }, ({ ceilings }) => ceilings?.bytesCopiedPerSecond),
    row("ceilings", { of: "fma" }, ({ ceilings }) => ceilings?.fmaPerSecond),
    row("ceilings", { of: "dot4" }, ({ ceilings }) => ceilings?.dot4ProductsPerSecond),
    row("ceilings", { of: "dispatch" }, ({ ceilings }) => ceilings?.microsPerDispatch),
    row("ceilings", { of: "roundTrip" }, ({ ceilings }) => ceilings?.microsPerRoundTrip),
    row("load", { of: "cold" }, (result) => load(result.load?.cold)),
    row("load", { of: "warm" }, (result) => load(result.load?.warm)),
    ...lengths.map((tokens) => row("prefill", { of: "prefill", tokens }, ({ prefill }) => prefill?.find(({ promptTokens }) => promptTokens === tokens)?.tps)),
    ...contexts.flatMap((context) => {
      const at = (result: Result): Decode | undefined => decodeAt(result, context);
      const limit = (result: Result): number | undefined => { const one = at(result); return one === undefined ? undefined : limitOf(result, one); };
      return [
        row("decode", { of: "decode", context }, (result) => at(result)?.tps),
        row("decode", { of: "limit", context }, limit),
        row("decode", { of: "share", context }, (result) => { const [is, most] = [at(result)?.tps, limit(result)]; return is === undefined || most === undefined ? undefined : is / most; }),
      ];
    }),
    ...steps.map((rows) => row("kernels", { of: "step", rows }, ({ kernels }) => kernelStacks(kernels ?? []).find((stack) => stack.rows === rows)?.ms)),
    row("memory", { of: "gpu" }, ({ memory }) => memory?.gpuBytes),
    row("memory", { of: "weights" }, ({ memory }) => memory?.weightsBytes),
    row("memory", { of: "kv" }, ({ memory }) => memory?.kvBytes),
    row("memory", { of: "wasm" }, ({ memory }) => memory?.peakWasmBytesGrown),
    ...counters.map((counter) => row("counts", { of: "count", counter }, ({ countersPerToken }) => countersPerToken?.[counter])),
  ].filter(({ values }) => values.some((value) => value !== undefined));
}

/** What was decoded behind a context. */
export const decodeAt = ({ decode }: Result, context: number): Decode | undefined => decode?.find((one) => one.context === context);

/** The values of all results, each once, in order. */
function all(results: readonly Result[], of: (result: Result) => readonly number[]): readonly number[] {
  return [...new Set(results.flatMap(of))].sort((a, b) => a - b);
}

/** The shortest context that most of the results were decoded behind: where they are compared. */
export function commonContext(results: readonly Result[]): number | undefined {
  const contexts = all(results, ({ decode = [] }) => decode.map(({ context }) => context));
  const shared = (context: number): number => results.filter((result) => decodeAt(result, context) !== undefined).length;
  const most = Math.max(0, ...contexts.map(shared));
  return contexts.find((context) => shared(context) === most);
}
