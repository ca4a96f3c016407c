/** What pages and workers meet: modules that trap, heaps that are full, tabs that freeze, pages that are left and come back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { expect, greedyGolden, open, REAL, test } from "./fixture.js";

const MODEL = "/arch/llama/model-f32.gguf";
const { prompt, ids: greedy } = greedyGolden("llama");

for (const [fault, codes] of [["fill", ["out_of_memory"]], ["break", ["internal"]]] as const) {
  test(`a WebAssembly module whose ${fault === "fill" ? "heap is full" : "memory is broken"} rejects what is pending, and the next load works`, async ({ doran }) => {
    const seen = await doran.evaluate(async ({ model, prompt, fault }) => {
      const engine = await window.doran.Engine.load(model, { createWorker: () => new Worker("/with-wasm-faults.js", { type: "module" }) });
      const input = Uint32Array.from(prompt);
      const read = window.failure(window.read(engine.generate(input, { maxTokens: 100, ignoreEos: true })));
      await engine.tokenize("begun");
      const answered = new Promise((resolve) => { new BroadcastChannel("wasm-answers").onmessage = resolve; });
      new BroadcastChannel("wasm-faults").postMessage(fault);
      await answered;
      // Of which the module needs a copy.
      const long = "long ".repeat(4_000_000);
      const pending = await Promise.all([window.failure(engine.tokenize(long)), window.failure(engine.countTokens(long)), window.failure(engine.stats())]);
      const after = await window.failure(engine.tokenize("x"));
      // There is nothing left to free.
      const freed = await window.failure(engine.unload());
      const next = await window.doran.Engine.load(model);
      const { ids } = await window.read(next.generate(input, { maxTokens: 8, temperature: 0, ignoreEos: true }));
      await next.unload();
      return { read: (await read).code, pending: pending.map(({ code }) => code), after: after.code, freed: freed.code, ids };
    }, { model: MODEL, prompt, fault });
    expect(seen.freed).toBe("none");
    for (const code of [...seen.pending, seen.after]) expect(codes).toContain(code);
    expect([...codes, "none"]).toContain(seen.read);
    expect(seen.ids).toEqual(greedy.slice(0, 8));
  });
}

test("where the module for formats breaks in an answer, that answer ends, and others go on", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model, { createWorker: () => new Worker("/with-wasm-faults.js", { type: "module" }) });
    const input = Uint32Array.from(prompt);
    const format = { type: "regex", pattern: "[a-z]{200}" } as const;
    const answered = new Promise((resolve) => { new BroadcastChannel("wasm-answers").onmessage = resolve; });
    let tokens = 0;
    const read = window.failure((async () => {
      for await (const { finishReason } of engine.generate(input, { maxTokens: 200, format })) {
        if (finishReason === undefined) tokens += 1;
        // The module that came last is the one for formats.
        if (tokens === 3) new BroadcastChannel("wasm-faults").postMessage("break");
      }
    })());
    await answered;
    const { code, message } = await read;
    const { ids } = await window.read(engine.generate(input, { maxTokens: 8, temperature: 0, ignoreEos: true }));
    await engine.unload();
    return { code, message, tokens, ids };
  }, { model: MODEL, prompt });
  expect(seen).toMatchObject({ code: "internal", message: expect.stringContaining("load the model again"), ids: greedy.slice(0, 8) });
  expect(seen.tokens).toBeGreaterThanOrEqual(3);
});

test("a frozen tab finishes its answer when it thaws", async ({ doran, profile }) => {
  const session = await profile.newCDPSession(doran);
  const wanted = await doran.evaluate(async ({ model, prompt }) => {
    window.engine = await window.doran.Engine.load(model);
    return (await window.read(window.engine.generate(Uint32Array.from(prompt), { maxTokens: 120, temperature: 0, ignoreEos: true }))).ids;
  }, { model: MODEL, prompt });
  await doran.evaluate((prompt) => {
    window.answer = window.read(window.engine.generate(Uint32Array.from(prompt), { maxTokens: 120, temperature: 0, ignoreEos: true }));
  }, prompt);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await new Promise((resolve) => { setTimeout(resolve, 1500); });
  await session.send("Page.setWebLifecycleState", { state: "active" });
  expect((await doran.evaluate(() => window.answer)).ids).toEqual(wanted);
  await doran.evaluate(() => window.engine.unload());
});

test("in a tab that is hidden, a download goes on and the real model answers", async ({ doran, profile, site }) => {
  const hidden = doran.evaluate(async (url) => {
    const engine = await window.doran.Engine.load(url);
    const { text } = await window.read(engine.generate([{ role: "user", content: "What is the capital of France?" }], { maxTokens: 10, temperature: 0 }));
    await engine.unload();
    return text;
  }, `/models/${REAL.name}`);
  // Another tab comes to the front; events say the same, as Chromium without a window never hides one.
  const front = await profile.newPage();
  await open(front, site);
  await front.bringToFront();
  await doran.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  expect(await hidden).toContain("Paris");
});

test("a page that is left in an answer and comes back finishes it", async ({ site }) => {
  const folder = mkdtempSync(join(tmpdir(), "doran-back-"));
  // Playwright turns the back/forward cache off unless told otherwise.
  const browser = await chromium.launchPersistentContext(folder, { ...launchOptions(undefined), ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  try {
    const page = await browser.newPage();
    await open(page, site);
    await page.evaluate(async ({ model, prompt }) => {
      addEventListener("pageshow", ({ persisted }) => { window.persisted = persisted; });
      window.engine = await window.doran.Engine.load(model, { name: "kept" });
      const wait = window.engine.generate(Uint32Array.from(prompt), { maxTokens: 120, temperature: 0, ignoreEos: true });
      window.answer = window.read(wait);
      window.answer.catch(() => undefined);
    }, { model: MODEL, prompt });
    await page.goto(`${site.address.replace("localhost", "127.0.0.1")}/pkg/package.json`);
    // Playwright's own way back waits for a load, which a page that was kept does not do.
    await page.evaluate(() => { history.back(); }).catch(() => undefined);
    await expect.poll(() => page.evaluate(() => document.title).catch(() => ""), { timeout: 20_000 }).toBe("ready");
    const seen = await page.evaluate(async ({ model, prompt }) => {
      const wasKept = window.engine !== undefined;
      const under = wasKept ? await window.failure(window.answer) : undefined;
      const engine = await window.doran.Engine.load(model, { name: "kept" });
      const { ids } = await window.read(engine.generate(Uint32Array.from(prompt), { maxTokens: 8, temperature: 0, ignoreEos: true }));
      return { wasKept, persisted: window.persisted ?? false, under: under?.code, ids, downloaded: engine.info.load.bytesDownloaded };
    }, { model: MODEL, prompt });
    expect(seen).toEqual({ wasKept: true, persisted: true, under: "none", ids: greedy.slice(0, 8), downloaded: 0 });
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

declare global {
  interface Window {
    /** An answer that a test waits for later. */
    answer: ReturnType<Window["read"]>;
    /** Whether the page came back as it was left. */
    persisted: boolean;
  }
}
