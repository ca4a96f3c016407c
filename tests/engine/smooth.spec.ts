/** The real model: the page stays smooth while doran works, and long work can be ended. */
import type { CDPSession } from "@playwright/test";
import { expect, test } from "./fixture.js";

const MODEL = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
/** Milliseconds of its own CPU time that a task of the page's main thread may take. */
const LONG_TASK_MS = 50;

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of CPU time. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

function isEvents(value: unknown): value is { traceEvents: TraceEvent[] } {
  return typeof value === "object" && value !== null && "traceEvents" in value && Array.isArray(value.traceEvents);
}

async function traced(client: CDPSession, work: () => Promise<void>): Promise<TraceEvent[]> {
  await client.send("Tracing.start", { transferMode: "ReturnAsStream", traceConfig: { includedCategories: ["toplevel", "devtools.timeline"] } });
  await work();
  const complete = new Promise<string>((resolve, reject) => {
    client.once("Tracing.tracingComplete", ({ stream }) => (stream === undefined ? reject(new Error("no trace came")) : resolve(stream)));
  });
  await client.send("Tracing.end");
  const handle = await complete;
  let text = "";
  for (let eof = false; !eof;) {
    const piece = await client.send("IO.read", { handle, size: 1 << 22 });
    text += piece.base64Encoded === true ? Buffer.from(piece.data, "base64").toString() : piece.data;
    eof = piece.eof;
  }
  const trace: unknown = JSON.parse(text);
  if (!isEvents(trace)) throw new Error("the trace has another form");
  return trace.traceEvents;
}

/** CPU milliseconds of the longest task on the page's main thread, and how many tasks there were. */
function longestTask(events: readonly TraceEvent[]): { longest: number; tasks: number } {
  const mains = new Set(events.filter((e) => e.name === "thread_name" && e.args?.name === "CrRendererMain").map((e) => `${e.pid}:${e.tid}`));
  const tasks = events.filter((e) => e.ph === "X" && e.name.endsWith("RunTask") && mains.has(`${e.pid}:${e.tid}`));
  return { longest: Math.max(0, ...tasks.map((task) => (task.tdur ?? 0) / 1000)), tasks: tasks.length };
}

test("no task of the main thread is long while a model loads, reads and answers", async ({ doran, profile }) => {
  test.setTimeout(180_000);
  const client = await profile.newCDPSession(doran);
  // The trace shows what is long: a task of the page's own.
  const busy = longestTask(await traced(client, () => doran.evaluate(() => new Promise<void>((resolve) => {
    setTimeout(() => {
      const until = performance.now() + 400;
      let sum = 0;
      while (performance.now() < until) sum += Math.sqrt(sum + 1);
      document.title = String(sum);
      resolve();
    }, 0);
  }))));
  expect(busy.longest).toBeGreaterThan(LONG_TASK_MS);
  const seen = longestTask(await traced(client, () => doran.evaluate(async (model) => {
    const engine = await window.doran.Engine.load(model);
    const input = Uint32Array.from({ length: 100 }, (_, i) => 500 + i);
    await window.read(engine.generate(input, { temperature: 0, maxTokens: 8, ignoreEos: true }));
    await engine.unload();
  }, MODEL)));
  console.log(`the longest of ${seen.tasks} tasks took ${seen.longest.toFixed(1)} ms`);
  expect(seen.tasks).toBeGreaterThan(100);
  expect(seen.longest).toBeLessThan(LONG_TASK_MS);
});

test("a prompt is read in several submits a step, and an abort ends it between two of them", async ({ doran }) => {
  test.setTimeout(240_000);
  const seen = await doran.evaluate(async (model) => {
    const engine = await window.doran.Engine.load(model);
    const counted = async (first: number, length: number, signal?: AbortSignal, onPrefill?: () => void) => {
      const before = (await engine.stats()).counters;
      const input = Uint32Array.from({ length }, (_, i) => first + i);
      const options = { temperature: 0, maxTokens: 1, ...(signal === undefined ? {} : { signal }), ...(onPrefill === undefined ? {} : { onPrefill }) };
      const answer = engine.generate(input, options);
      const end = await window.failure(window.read(answer));
      await answer.return();
      const after = (await engine.stats()).counters;
      return { name: end.name, submits: after.submits - before.submits, dispatches: after.dispatches - before.dispatches };
    };
    const whole = await counted(500, 202);
    const controller = new AbortController();
    const aborted = await counted(900, 202, controller.signal, () => controller.abort());
    const again = await counted(1300, 10);
    await engine.unload();
    return { whole, aborted, again };
  }, MODEL);
  // Four steps of up to 64 rows; a whole one is more work than one submit may be.
  expect(seen.whole.name).toBe("none");
  expect(seen.whole.submits).toBeGreaterThan(7);
  // The abort comes after the first step; what runs then is over within two submits.
  expect(seen.aborted.name).toBe("AbortError");
  expect(seen.aborted.submits).toBeLessThan(seen.whole.submits / 2);
  expect(seen.aborted.dispatches).toBeLessThan(seen.whole.dispatches / 2);
  expect(seen.again.name).toBe("none");
});
