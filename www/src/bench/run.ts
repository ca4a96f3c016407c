/** A run on this device: its steps one after the other, each of which adds to the result, so that one that was stopped keeps what it measured. */
import { signal } from "@preact/signals";
import { DoranError, Engine, type LoadOptions, type Progress } from "doran";
import { measureCeilings } from "doran/probe";
import about from "doran/package.json";
import { browserOf, SCHEMA, type Load, type Result } from "../../../benches/result.mjs";
import { shortName } from "../format.js";
import { pageOptions, storedChanges, type Choice } from "../model.js";
import { median, perToken, shareOf } from "./figures.js";
import { contextFor, KERNEL_CONTEXT, promptOf, skipOf, stepsOf, WARM_UP, type Plan, type Skip, type Step, type StepState } from "./plan.js";
import { keepOwn, removeOther, setAside, type Imported } from "./results.js";

/** The steps of the run that goes on, or of the last one. */
export const steps = signal<readonly StepState[]>([]);
/** Whether one goes on. */
export const running = signal(false);
/** Why the last one ended early. */
export const problem = signal<unknown>(undefined);

/** What is known and loaded while a run goes on. */
interface Bench {
  readonly choice: Choice;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly tell: (fraction: number) => void;
  result: Result;
  engine: Engine | undefined;
  worker: Worker | undefined;
  context: number;
  /** The result before this run, which outlives it among the others unless this one has all that it has; null where there is none. */
  before: Imported | null | undefined;
}

let controller: AbortController | undefined;
let leaving: Promise<void> = Promise.resolve();
/** Prompts so far: no two begin with the same id. */
let prompts = 0;

/** Measures what the plan has. Of a model that was loaded before, nothing is left. */
export async function start(choice: Choice, plan: Plan): Promise<void> {
  if (running.value) return;
  running.value = true;
  problem.value = undefined;
  const own = new AbortController();
  controller = own;
  steps.value = stepsOf(plan).map((step) => ({ step, state: "waiting" }));
  let bench: Bench | undefined;
  try {
    await leaving;
    bench = { choice, plan, signal: own.signal, tell, result: await begun(plan), engine: undefined, worker: undefined, context: 0, before: undefined };
    for (const { step } of steps.value) await take(bench, step);
    removeOther(bench.before?.id);
  } catch (error) {
    if (!own.signal.aborted) problem.value = error;
    end(own.signal.aborted ? "stopped" : "failed");
    if (bench !== undefined && hasAllOf(bench.result, bench.before?.result)) removeOther(bench.before?.id);
  } finally {
    leaving = bench === undefined ? Promise.resolve() : leave(bench);
    storedChanges.value += 1;
    running.value = false;
  }
}

/** Whether a result has all that another has. */
function hasAllOf(result: Result, other: Result | undefined): boolean {
  const parts = new Map<string, unknown>(Object.entries(result));
  return Object.entries(other ?? {}).every(([part, value]: [string, unknown]) => {
    const mine = parts.get(part);
    return Array.isArray(value) ? Array.isArray(mine) && mine.length >= value.length : mine !== undefined;
  });
}

/** Frees the model. What was stopped may be in the middle of minutes of work that nothing else ends: its worker is not asked. */
async function leave({ engine, worker, signal }: Bench): Promise<void> {
  if (signal.aborted) worker?.terminate();
  else await engine?.unload().catch(() => undefined);
}

/** Ends the run; what was measured stays. */
export function stop(): void {
  controller?.abort();
}

async function begun({ runs }: Plan): Promise<Result> {
  const { adapter } = await Engine.support();
  const { vendor = "", architecture = "", device = "", description = "", isFallback = false, features = [] } = adapter ?? {};
  return {
    schema: SCHEMA, version: about.version, date: new Date().toISOString(), runs,
    device: { adapter: { vendor, architecture, device, description, isFallback, features: [...features] }, browser: browserOf(navigator.userAgent) },
  };
}

async function take(bench: Bench, step: Step): Promise<void> {
  bench.signal.throwIfAborted();
  const info = bench.engine?.info;
  const skip = info === undefined ? undefined : skipOf(step, bench.plan, info);
  if (skip !== undefined) {
    become({ step, state: "skipped", skip });
    return;
  }
  become({ step, state: "running", fraction: 0 });
  const skipped = await doStep(bench, step);
  become(skipped === undefined ? { step, state: "done" } : { step, state: "skipped", skip: skipped });
}

/** Does a step; gives why not, where that shows only now. */
async function doStep(bench: Bench, step: Step): Promise<Skip | undefined> {
  switch (step.kind) {
    case "ceilings": return ceilings(bench);
    case "load": return firstLoad(bench);
    case "reload": return reload(bench);
    case "warmUp": return warmUp(bench);
    case "prefill": return prefill(bench, step.tokens);
    case "decode": return decode(bench, step.context);
    case "kernels": return kernels(bench);
  }
}

async function ceilings(bench: Bench): Promise<undefined> {
  const { signal } = bench;
  const { adapter: _, ...figures } = await measureCeilings({ signal, onProgress: ({ done, total }) => { bench.tell(done / total); } });
  add(bench, { ceilings: figures });
}

async function firstLoad(bench: Bench): Promise<undefined> {
  const { choice, plan, signal } = bench;
  const options: LoadOptions = { ...pageOptions(), ...choice.options, fit: "auto", signal };
  const { context: _, ...rest } = options;
  const { maxContext, fileBytes, gpu } = await Engine.inspect(choice.source, rest);
  bench.context = contextFor(plan, maxContext);
  const load = await loaded(bench, choice.source);
  const info = bench.engine?.info;
  if (info === undefined) return;
  const { gpuBytes, peakWasmBytesGrown } = info.load;
  add(bench, {
    model: {
      name: shortName(info.name), bytes: fileBytes, precision: options.precision ?? "exact",
      ...(info.parameters === undefined ? {} : { parameters: info.parameters }),
    },
    memory: { gpuBytes, weightsBytes: gpu.weightsBytes, kvBytes: gpu.kvBytesPerToken * info.context, peakWasmBytesGrown },
  });
  if (!plan.parts.includes("load")) return;
  // Of one that came in part from each, neither is told.
  if (load.bytesFromStore === 0) add(bench, { load: { cold: load } });
  else if (load.bytesDownloaded === 0) add(bench, { load: { warm: load } });
}

/** Loads the model a second time, now that it is in the browser's storage. */
async function reload(bench: Bench): Promise<Skip | undefined> {
  const { engine, result } = bench;
  if (engine === undefined || result.load?.warm !== undefined) return { why: "load" };
  const { name } = engine.info;
  const models = await Engine.storage.list();
  if (!models.some((model) => model.complete && model.name === name)) return { why: "load" };
  bench.engine = undefined;
  await engine.unload();
  add(bench, { load: { ...result.load, warm: await loaded(bench, { stored: name }) } });
  return undefined;
}

async function loaded(bench: Bench, source: Choice["source"]): Promise<Load> {
  const { choice: { options = {} }, signal, context } = bench;
  // What is stored is quantised as it was, and was held against its hash.
  const { quantize: _, sha256: __, ...stored } = options;
  const isStored = typeof source === "object" && "stored" in source;
  const onProgress = ({ loadedBytes, totalBytes }: Progress): void => { if (totalBytes > 0) bench.tell(loadedBytes / totalBytes); };
  const before = performance.now();
  const page = pageOptions();
  const createWorker = (): Worker => {
    bench.worker = page.createWorker();
    return bench.worker;
  };
  const engine = await Engine.load(source, { ...page, createWorker, ...(isStored ? stored : options), fit: "auto", context, signal, onProgress });
  const ms = performance.now() - before;
  bench.engine = engine;
  const { bytesDownloaded, bytesFromStore, times } = engine.info.load;
  return { ms, bytesDownloaded, bytesFromStore, times: { ...times } };
}

async function warmUp(bench: Bench): Promise<undefined> {
  await answer(bench, WARM_UP.prompt, WARM_UP.answer);
}

async function prefill(bench: Bench, promptTokens: number): Promise<undefined> {
  const tpsOfRuns = await repeated(bench, async () => {
    const { prefillMs } = await answer(bench, promptTokens, 1);
    return promptTokens / (prefillMs / 1000);
  });
  add(bench, { prefill: [...bench.result.prefill ?? [], { promptTokens, tps: median(tpsOfRuns), tpsOfRuns }] });
}

async function decode(bench: Bench, context: number): Promise<undefined> {
  const { plan: { tokens }, engine } = bench;
  if (engine === undefined) return;
  let counts: Record<string, number> = {};
  const tpsOfRuns = await repeated(bench, async () => {
    const { tps, counters } = await untilAborted(bench.signal, engine.decodeAt({ context, tokens }));
    counts = perToken(counters, tokens);
    return tps;
  });
  const { weightBytesRead = 0, kvBytesRead = 0 } = counts;
  const { result } = bench;
  add(bench, {
    decode: [...result.decode ?? [], { context, tokens, tps: median(tpsOfRuns), tpsOfRuns, weightBytes: weightBytesRead, kvBytes: kvBytesRead }],
    countersPerToken: result.countersPerToken ?? counts,
  });
}

async function kernels(bench: Bench): Promise<undefined> {
  if (bench.engine === undefined) return;
  const times = await untilAborted(bench.signal, bench.engine.profile({ context: KERNEL_CONTEXT }));
  const { ceilings: most } = bench.result;
  add(bench, {
    kernelsContext: KERNEL_CONTEXT,
    kernels: times.map((one) => {
      const share = most === undefined ? undefined : shareOf(one, most);
      return share === undefined ? one : { ...one, share };
    }),
  });
}

/** What each of the plan's runs gives. */
async function repeated({ plan: { runs }, signal, tell }: Bench, measure: () => Promise<number>): Promise<readonly number[]> {
  const all: number[] = [];
  while (all.length < runs) {
    signal.throwIfAborted();
    all.push(await measure());
    tell(all.length / runs);
  }
  return all;
}

/** Reads a new prompt, and answers it with so many tokens. */
async function answer({ engine, signal }: Bench, length: number, maxTokens: number): Promise<{ readonly prefillMs: number }> {
  if (engine === undefined) throw new DoranError("internal", "no model is loaded");
  prompts += 1;
  const prompt = promptOf(prompts, length, engine.info.vocabSize);
  for await (const item of engine.generate(prompt, { temperature: 0, ignoreEos: true, maxTokens, signal })) {
    if (item.finishReason === undefined) continue;
    signal.throwIfAborted();
    return item.usage;
  }
  throw new DoranError("internal", "the answer has no end");
}

/** What a call gives that cannot be ended itself; the model is unloaded when it has. */
function untilAborted<T>(signal: AbortSignal, call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => { reject(signal.reason); };
    signal.addEventListener("abort", abort, { once: true });
    call.then(resolve, reject).finally(() => { signal.removeEventListener("abort", abort); });
  });
}

function add(bench: Bench, more: Partial<Result>): void {
  bench.result = { ...bench.result, ...more };
  // At the first of it only: then this run's own is the last.
  if (bench.before === undefined) bench.before = setAside() ?? null;
  keepOwn(bench.result);
}

function become(now: StepState): void {
  steps.value = steps.value.map((one) => (one.step === now.step ? now : one));
}

function tell(fraction: number): void {
  steps.value = steps.value.map((one) => (one.state === "running" ? { ...one, fraction } : one));
}

/** The step that ran, and those behind it. */
function end(state: "stopped" | "failed"): void {
  steps.value = steps.value.map((one) => (one.state === "running" ? { step: one.step, state } : one.state === "waiting" ? { step: one.step, state: "stopped" } : one));
}
