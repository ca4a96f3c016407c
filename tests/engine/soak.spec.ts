/**
 * Many answers, many loads, many calls at once. Some here, of tiny models; `npm run test:long -- soak` has more of them on the real one
 * (`DORAN_SOAK=real`), and keeps what was seen.
 */
import { writeFileSync } from "node:fs";
import { expect, REAL, test } from "./fixture.js";
import type { CDPSession } from "@playwright/test";

const IS_REAL = process.env["DORAN_SOAK"] === "real";
const MODEL = IS_REAL ? `/models/${REAL.name}` : "/arch/llama/model-f32.gguf";
const GENERATIONS = IS_REAL ? 500 : 200;
const CYCLES = IS_REAL ? 20 : 7;
/** Loads before counting begins: after ten of them the page's heap stayed the same to the byte. */
const SETTLED = IS_REAL ? 10 : 2;
/**
 * Answers before counting begins. While code becomes hot, V8 keeps what it learns of it and what it compiles: of two thousand answers
 * of a tiny model the first thousand took the heap from 2.26 to 2.47 MB, and the others changed it by 0.2 %.
 */
const WARM_UP = 100;
/** How much the heap may differ. A short run is one of V8's growth; it shows what grows by a kilobyte or two an answer. */
const GROWTH = IS_REAL ? 0.02 : 0.1;
const BLOCK = 50;

// Whoever records a page keeps things alive in it.
test.use({ trace: "off" });

/** What a page and its workers hold after their garbage was collected. */
async function held(session: CDPSession, workers: readonly string[]): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  let bytes = (await session.send("Runtime.getHeapUsage")).usedSize;
  for (const target of workers) {
    await ask(session, target, "HeapProfiler.collectGarbage");
    const answer = await ask(session, target, "Runtime.getHeapUsage");
    bytes += Number(answer["usedSize"] ?? NaN);
  }
  return bytes;
}

let lastId = 0;

/** Asks a worker by its page's session. */
function ask(session: CDPSession, sessionId: string, method: string): Promise<Record<string, unknown>> {
  lastId += 1;
  const id = lastId;
  return new Promise((resolve, reject) => {
    const listen = (event: { sessionId: string; message: string }): void => {
      const answer: unknown = JSON.parse(event.message);
      if (event.sessionId !== sessionId || typeof answer !== "object" || answer === null || !("id" in answer) || answer.id !== id) return;
      session.off("Target.receivedMessageFromTarget", listen);
      if ("result" in answer && typeof answer.result === "object" && answer.result !== null) resolve({ ...answer.result });
      else reject(new Error(`${method} failed: ${event.message}`));
    };
    session.on("Target.receivedMessageFromTarget", listen);
    session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) }).catch(reject);
  });
}

async function listeners(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "JSEventListeners")?.value ?? NaN;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** Adds to what the long suite keeps. */
const seen: Record<string, unknown> = {};
function keep(facts: Record<string, unknown>): void {
  Object.assign(seen, facts);
  console.log(JSON.stringify(facts));
  const path = process.env["DORAN_SOAK_RECORD"];
  if (path !== undefined) writeFileSync(path, JSON.stringify(seen));
}

test(`after ${GENERATIONS} answers everything is as after fifty`, async ({ doran, profile }) => {
  test.setTimeout(IS_REAL ? 3_600_000 : 240_000);
  const session = await profile.newCDPSession(doran);
  await session.send("Performance.enable");
  const workers: string[] = [];
  session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => { if (targetInfo.type === "worker") workers.push(sessionId); });
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  await doran.evaluate(async (model) => {
    window.engine = await window.doran.Engine.load(model, { createWorker: () => new Worker("/with-wasm-faults.js", { type: "module" }) });
    window.pages = () => new Promise((resolve) => {
      const answers = new BroadcastChannel("wasm-answers");
      answers.onmessage = ({ data }) => { answers.close(); resolve(Number(data)); };
      const asking = new BroadcastChannel("wasm-faults");
      asking.postMessage("pages");
      asking.close();
    });
  }, MODEL);
  expect(workers.length).toBe(1);
  const heap: number[] = [];
  const blocks: { live: number; gpuBytes: number; pages: number; listeners: number }[] = [];
  await doran.exposeFunction("onAnswer", async (counts: boolean) => {
    const bytes = await held(session, workers);
    if (counts) heap.push(bytes);
  });
  await doran.exposeFunction("onBlock", async (counted: { live: number; gpuBytes: number; pages: number }) => {
    await held(session, workers);
    blocks.push({ ...counted, listeners: await listeners(session) });
  });
  // One script for all: a debugger that looks on keeps every script that it sends.
  await doran.evaluate(async ({ warm, all, block }) => {
    for (let n = -warm; n < all; n += 1) {
      // Prompts of different lengths, some drawn and some greedy, some left early.
      const ids = Uint32Array.from({ length: 3 + (Math.abs(n) % 29) }, (_, i) => 1 + ((Math.abs(n) * 7 + i * 3) % 90));
      const how = n % 2 === 0 ? { temperature: 0 } : { temperature: 0.9, topK: 20, seed: Math.abs(n) };
      let count = 0;
      for await (const item of window.engine.generate(ids, { maxTokens: 6, ignoreEos: true, ...how })) {
        count += 1;
        if (item.finishReason === undefined && n % 7 === 0 && count === 3) break;
      }
      const counts = n >= 0 && (n < block || n >= all - block);
      if (counts || n % 10 === 0) await window.onAnswer(counts);
      if (n < 0) continue;
      if (n % block === block - 1) {
        const { counters } = await window.engine.stats();
        await window.onBlock({ live: counters.liveObjects, gpuBytes: counters.gpuBytes, pages: await window.pages() });
      }
    }
  }, { warm: WARM_UP, all: GENERATIONS, block: BLOCK });
  await doran.evaluate(() => window.engine.unload());
  const [first, last] = [median(heap.slice(0, BLOCK)), median(heap.slice(-BLOCK))];
  keep({ generations: GENERATIONS, heap_first: first, heap_last: last, ...blocks.at(-1) });
  for (const block of blocks) expect(block).toEqual(blocks[0]);
  expect(Number.isFinite(last / first)).toBe(true);
  expect(Math.abs(last / first - 1)).toBeLessThan(GROWTH);
});

test(`after ${CYCLES} loads and unloads nothing is left`, async ({ doran, profile }) => {
  test.setTimeout(IS_REAL ? 1_200_000 : 240_000);
  const session = await profile.newCDPSession(doran);
  await session.send("Performance.enable");
  const after: { heap: number; listeners: number; workers: number }[] = [];
  await doran.exposeFunction("onCycle", async () => {
    await expect.poll(() => doran.workers().length).toBe(0);
    after.push({ heap: await held(session, []), listeners: await listeners(session), workers: doran.workers().length });
  });
  await doran.evaluate(async ({ model, cycles }) => {
    for (let n = 0; n < cycles; n += 1) {
      const engine = await window.doran.Engine.load(model);
      await window.read(engine.generate(Uint32Array.of(1, 2, 3), { maxTokens: 3, ignoreEos: true }));
      await engine.unload();
      await window.onCycle();
    }
  }, { model: MODEL, cycles: CYCLES });
  const heaps = after.map(({ heap }) => heap);
  const [first, last] = [median(heaps.slice(SETTLED, SETTLED + 5)), median(heaps.slice(-5))];
  keep({ cycles: CYCLES, page_heap_first: first, page_heap_last: last, page_listeners: after.at(-1)?.listeners });
  expect(new Set(after.map((one) => one.listeners)).size).toBe(1);
  expect(Math.abs(last / first - 1)).toBeLessThan(GROWTH);
});

test("of fifty calls at once, half of them aborted, all settle, in order", async ({ doran }) => {
  const settled = await doran.evaluate(async (model) => {
    const engine = await window.doran.Engine.load(model);
    // The same order of aborts each time (a linear congruence).
    let state = 12345;
    const drawn = (): number => { state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0; return state / 2 ** 32; };
    const calls = Array.from({ length: 50 }, (_, n) => ({ n, controller: new AbortController(), aborts: n % 2 === 1 }));
    const order: { n: number; how: string; tokens: number }[] = [];
    const running = calls.map(async ({ n, controller }) => {
      const tokens: number[] = [];
      try {
        for await (const item of engine.generate(Uint32Array.of(1, 2 + n), { maxTokens: 5, temperature: 0, ignoreEos: true, signal: controller.signal })) {
          if (item.finishReason === undefined) tokens.push(item.id);
        }
        order.push({ n, how: "finished", tokens: tokens.length });
      } catch (error) {
        order.push({ n, how: error === controller.signal.reason ? "aborted" : String(error), tokens: tokens.length });
      }
    });
    const aborted = calls.filter(({ aborts }) => aborts).sort(() => drawn() - 0.5);
    for (const { controller } of aborted) {
      controller.abort();
      if (drawn() < 0.5) await new Promise((resolve) => { setTimeout(resolve, drawn() * 20); });
    }
    await Promise.all(running);
    const stats = await engine.stats();
    await engine.unload();
    return { order, recoveries: stats.recoveries };
  }, MODEL);
  expect(settled.order.length).toBe(50);
  const finished = settled.order.filter(({ how }) => how === "finished").map(({ n }) => n);
  expect(finished).toEqual([...finished].sort((a, b) => a - b));
  // Those that nobody aborted finish, whole; an abort may come too late.
  for (const { n, how, tokens } of settled.order) {
    if (n % 2 === 0) expect({ n, how, tokens }).toEqual({ n, how: "finished", tokens: 5 });
    else expect(["aborted", "finished"]).toContain(how);
  }
  expect(settled.order.filter(({ how }) => how === "aborted").length).toBeGreaterThanOrEqual(20);
});

declare global {
  interface Window {
    /** How many pages the module's memory has. */
    pages: () => Promise<number>;
    /** What the test does after an answer, after fifty of them, and after a load. */
    onAnswer: (counts: boolean) => Promise<void>;
    onBlock: (counted: { live: number; gpuBytes: number; pages: number }) => Promise<void>;
    onCycle: () => Promise<void>;
  }
}
