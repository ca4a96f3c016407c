/** The GPU process crashes, for real: while the model loads, reads and answers. What was said stands, and the answer ends as it would have. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { expect, generated, greedyGolden, open, test as base, type Site } from "./fixture.js";

declare global {
  interface Window {
    /** Crashes the GPU process. */
    crash: () => Promise<void>;
    /** Ids of an answer; the GPU process crashes after as many of them as `at` says. */
    readCrashing: (generation: AsyncIterable<{ id?: number | undefined; text: string }>, at: number[]) => Promise<{ ids: number[]; text: string }>;
  }
}

const MODEL = "/arch/llama/model-f32.gguf";
const REAL = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
const { prompt, ids: greedyIds } = greedyGolden("llama");
/** Chromium gives no other adapter after the second crash, unless it is told to. */
const PATIENT = ["--disable-gpu-process-crash-limit", "--disable-domain-blocking-for-3d-apis"];

const HELPERS = `
window.readCrashing = async (generation, at) => {
  const ids = [];
  let text = "";
  for await (const item of generation) {
    text += item.text;
    if (item.id === undefined) break;
    ids.push(item.id);
    if (at.includes(ids.length)) await window.crash();
  }
  return { ids, text };
};
`;

async function prepare(context: BrowserContext, site: Site): Promise<Page> {
  const page = context.pages()[0] ?? await context.newPage();
  const session = await context.newCDPSession(page);
  await page.exposeFunction("crash", async () => { await session.send("Browser.crashGpuProcess"); });
  await page.addInitScript(HELPERS);
  await open(page, site);
  return page;
}

const test = base.extend<{ patient: Page; usual: Page }>({
  patient: async ({ site }, use) => {
    const folder = mkdtempSync(join(tmpdir(), "doran-gpu-"));
    const { args, ...rest } = launchOptions(undefined);
    const context = await chromium.launchPersistentContext(folder, { ...rest, args: [...args, ...PATIENT] });
    await use(await prepare(context, site));
    await context.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  },
  usual: async ({ profile, site }, use) => { await use(await prepare(profile, site)); },
});

test("five crashes in one answer change nothing of it", { tag: "@long" }, async ({ patient }) => {
  const seen = await patient.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const input = Uint32Array.from(prompt);
    const out = [];
    for (const options of [{ temperature: 0 }, { temperature: 0.9, topK: 40, seed: 7, repetitionPenalty: 1.2 }]) {
      const all = { ...options, maxTokens: 240, ignoreEos: true };
      const wanted = await window.read(engine.generate(input, all));
      const got = await window.readCrashing(engine.generate(input, all), [1, 50, 100, 150, 190]);
      out.push({ wanted: wanted.ids, got: got.ids, sameText: wanted.text === got.text });
    }
    // Tokens wait for the page to read them, 32 at most: each crash came before the answer's last ones.
    const { recoveries } = await engine.stats();
    await engine.unload();
    return { out, recoveries };
  }, { model: MODEL, prompt });
  for (const { wanted, got, sameText } of seen.out) {
    expect(got).toEqual(wanted);
    expect(sameText).toBe(true);
  }
  expect(seen.out[0]?.got.slice(0, greedyIds.length)).toEqual(greedyIds);
  expect(seen.recoveries).toBe(10);
});

test("a crash while the prompt is read, between calls, and under other calls", async ({ patient }) => {
  const seen = await patient.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const long = Uint32Array.from({ length: 240 }, (_, i) => prompt[i % prompt.length] ?? 0);
    const options = { temperature: 0, maxTokens: 8, ignoreEos: true };
    const wanted = await window.read(engine.generate(long, options));
    const logits = await engine.logits(long);
    const nll = await engine.nll(long);
    await window.read(engine.generate(Uint32Array.of(1), options));
    let crashed = 0;
    let crash: Promise<unknown> | undefined;
    const onPrefill = () => { crashed += 1; if (crashed === 2) crash = window.crash(); };
    const got = await window.read(engine.generate(long, { ...options, onPrefill }));
    // Whenever the loss is noticed, it is one of its own.
    await crash;
    await engine.logits(long);
    await window.crash();
    const idle = await engine.logits(long);
    const [under] = await Promise.all([engine.nll(long), window.crash()]);
    const { recoveries } = await engine.stats();
    await engine.unload();
    const far = (a: Float32Array, b: Float32Array) => a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? NaN))), 0);
    return { wanted: wanted.ids, got: got.ids, prefilled: crashed, idle: far(idle.lastLogits, logits.lastLogits), top1: idle.top1.join() === logits.top1.join(), under: far(under, nll), length: under.length, recoveries };
  }, { model: MODEL, prompt });
  expect(seen.got).toEqual(seen.wanted);
  expect(seen.prefilled).toBeGreaterThan(2);
  expect(seen).toMatchObject({ idle: 0, top1: true, under: 0, length: 239 });
  expect(seen.recoveries).toBeGreaterThanOrEqual(2);
});

test("a crash while a model loads fetches nothing twice", async ({ patient, site }) => {
  const { name } = generated(64);
  site.faults.reset();
  const seen = await patient.evaluate(async (url) => {
    let crashed = false;
    const phases: string[] = [];
    const onProgress = ({ phase, loadedBytes }: { phase: string; loadedBytes: number }) => {
      if (phases.at(-1) !== phase) phases.push(phase);
      if (!crashed && loadedBytes > 24 << 20) {
        crashed = true;
        void window.crash();
      }
    };
    const first = await window.probe(url, { backend: "webgpu", onProgress });
    const second = await window.probe(url, { backend: "webgpu" });
    return { crashed, phases, same: first.logits.join() === second.logits.join(), again: second.info.load.bytesDownloaded };
  }, `${site.faults.url}/${name}`);
  expect(seen.crashed).toBe(true);
  expect(seen.phases.filter((phase) => phase === "header").length).toBe(2);
  expect(seen).toMatchObject({ same: true, again: 0 });
  // Headers are read twice, and chunks that were under way are fetched again.
  expect(site.faults.bytes()).toBeLessThan((64 << 20) * 1.5);
});

test("an adapter comes back with the model", async ({ patient }) => {
  const seen = await patient.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const adapter = await engine.loadAdapter("/adapters/llama/plain.gguf");
    const options = { temperature: 0, maxTokens: 24, ignoreEos: true, adapters: [{ adapter, scale: 1 }] };
    const input = Uint32Array.from(prompt);
    const plain = await window.read(engine.generate(input, { ...options, adapters: [] }));
    const wanted = await window.read(engine.generate(input, options));
    const got = await window.readCrashing(engine.generate(input, options), [6]);
    const after = await window.read(engine.generate(input, options));
    // Asked for before the loss, begun after it: its adapter is the new GPU's.
    const [, queued] = await Promise.all([
      window.readCrashing(engine.generate(input, { ...options, adapters: [], maxTokens: 200 }), [6]), window.read(engine.generate(input, options)),
    ]);
    // Nothing but a load of another adapter brings the model to another GPU, and the first comes along.
    await window.crash();
    const second = await engine.loadAdapter("/adapters/llama/plain.gguf");
    const beside = await window.read(engine.generate(input, { ...options, adapters: [{ adapter: second, scale: 1 }] }));
    const last = await window.read(engine.generate(input, options));
    await engine.unload();
    return { plain: plain.ids, wanted: wanted.ids, got: got.ids, after: after.ids, queued: queued.ids, beside: beside.ids, last: last.ids };
  }, { model: MODEL, prompt });
  expect(seen.got).toEqual(seen.wanted);
  expect(seen).toMatchObject({ after: seen.wanted, queued: seen.wanted, beside: seen.wanted, last: seen.wanted });
  expect(seen.plain).not.toEqual(seen.wanted);
});

test("an adapter that is loaded by the loop that reads an answer does not wait for it", async ({ patient }) => {
  const seen = await patient.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const options = { temperature: 0, maxTokens: 80, ignoreEos: true };
    const input = Uint32Array.from(prompt);
    const wanted = await window.read(engine.generate(input, options));
    const ids: number[] = [];
    let code = "";
    for await (const item of engine.generate(input, options)) {
      if (item.finishReason !== undefined) break;
      ids.push(item.id);
      if (ids.length !== 3) continue;
      // By then it waits: no more than 32 tokens are made ahead of the reader.
      await new Promise((resolve) => { setTimeout(resolve, 1500); });
      await window.crash();
      ({ code } = await window.failure(engine.loadAdapter("/adapters/llama/plain.gguf")));
    }
    await engine.loadAdapter("/adapters/llama/plain.gguf");
    await engine.unload();
    return { code, same: ids.join() === wanted.ids.join() };
  }, { model: MODEL, prompt });
  expect(seen).toEqual({ code: "device_lost", same: true });
});

test("what came by the page's own fetch and is not stored comes back by it: a model and its adapter", async ({ patient }) => {
  const seen = await patient.evaluate(async ({ model, prompt }) => {
    const asked = new Set<string>();
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      asked.add(new URL(url).pathname);
      return window.fetch(url, init);
    };
    const engine = await window.doran.Engine.load(model, { fetch, store: false });
    const adapter = await engine.loadAdapter("/adapters/llama/plain.gguf", { fetch, store: false });
    const options = { temperature: 0, maxTokens: 200, ignoreEos: true, adapters: [{ adapter, scale: 1 }] };
    const input = Uint32Array.from(prompt);
    const wanted = await window.read(engine.generate(input, options));
    asked.clear();
    const got = await window.readCrashing(engine.generate(input, options), [6]);
    const { recoveries } = await engine.stats();
    await engine.unload();
    return { wanted: wanted.ids, got: got.ids, recoveries, asked: [...asked].sort() };
  }, { model: MODEL, prompt });
  expect(seen.got).toEqual(seen.wanted);
  expect(seen.recoveries).toBe(1);
  expect(seen.asked).toEqual(["/adapters/llama/plain.gguf", MODEL]);
});

test("three losses with nothing computed between them are a typed error, and a later call is a new attempt", { tag: "@long" }, async ({ patient, site }) => {
  const { name } = generated(64);
  const seen = await patient.evaluate(async ({ url, prompt }) => {
    let crashing = false;
    let reloads = 0;
    const onProgress = ({ phase }: { phase: string }) => {
      if (!crashing || phase !== "store") return;
      reloads += 1;
      void window.crash();
    };
    const engine = await window.doran.Engine.load(url, { onProgress });
    const options = { temperature: 0, maxTokens: 100, ignoreEos: true };
    const input = Uint32Array.from(prompt);
    const wanted = await window.read(engine.generate(input, options));
    crashing = true;
    const error = await window.failure(window.readCrashing(engine.generate(input, options), [4]));
    crashing = false;
    const { ids } = await window.read(engine.generate(input, options));
    await engine.unload();
    return { error, same: ids.join() === wanted.ids.join(), reloads };
  }, { url: `${site.faults.url}/${name}`, prompt });
  expect(seen.error).toMatchObject({ code: "device_lost", data: { losses: 3 } });
  expect(seen.reloads).toBeGreaterThanOrEqual(2);
  expect(seen.same).toBe(true);
});

test("where the browser gives no other GPU, that is a typed error, and nothing hangs", async ({ usual }) => {
  const seen = await usual.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const options = { temperature: 0, maxTokens: 200, ignoreEos: true };
    const input = Uint32Array.from(prompt);
    const once = await window.readCrashing(engine.generate(input, options), [4]);
    const twice = await window.failure(window.readCrashing(engine.generate(input, options), [4]));
    const queued = await window.failure(window.read(engine.generate(input, options)));
    await engine.unload();
    return { once: once.ids.slice(0, 16), all: once.ids.length, twice, queued };
  }, { model: MODEL, prompt });
  expect(seen.once).toEqual(greedyIds);
  expect(seen.all).toBe(200);
  // Chromium gives none, or one that is lost at once.
  expect(seen.twice.code).toBe("device_lost");
  expect(seen.twice.data["cause"] ?? seen.twice.data["losses"]).toBeDefined();
  expect(seen.queued.code).toBe("device_lost");
});

test("the real model's answer survives a crash", async ({ usual }) => {
  const seen = await usual.evaluate(async (model) => {
    const engine = await window.doran.Engine.load(model);
    const messages = [{ role: "user" as const, content: "Name three rivers of Korea." }];
    const options = { temperature: 0, maxTokens: 40 };
    const wanted = await window.read(engine.generate(messages, options));
    await window.read(engine.generate(Uint32Array.of(1), { maxTokens: 1 }));
    const got = await window.readCrashing(engine.generate(messages, options), [12]);
    const { recoveries } = await engine.stats();
    await engine.unload();
    return { wanted: wanted.text, got: got.text, recoveries };
  }, REAL);
  expect(seen.got).toBe(seen.wanted);
  expect(seen.got.length).toBeGreaterThan(20);
  expect(seen.recoveries).toBe(1);
});
