/** A folder of safetensors, quantised while it loads: what is stored, and that it needs no network again. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { CACHE, ROOT } from "../../scripts/lib/util.mjs";
import { makeFolder } from "../../scripts/make-folder.mjs";
import { expect, open, test } from "./fixture.js";

const MIB = 1 << 20;
const FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const KINDS = ["q8_0", "q6_k", "q4_k", "q4_0"] as const;
const folder = join(CACHE, "generated", "noise-folder");
const name = "noise-folder";

test.beforeAll(() => makeFolder(folder, { arch: join(ROOT, "tests/fixtures/arch/llama"), seed: 3 }));

const files = (base: string): { path: string; url: string }[] =>
  FILES.map((path) => ({ path, url: `${base}/${name}/${path}` }));

/** What a model answers that is found by the name it is stored under. */
const byName = (page: Page, stored: string): Promise<number[]> => page.evaluate(async (stored) => {
  const engine = await window.doran.Engine.load({ stored });
  const { ids } = await window.read(engine.generate(Uint32Array.of(1, 5, 9), { temperature: 0, maxTokens: 12, ignoreEos: true }));
  await engine.unload();
  return ids;
}, stored);

test("a folder is stored quantised, and loads again without the network, to the same tokens", async ({ doran, site }) => {
  test.setTimeout(240_000);
  const real = statSync(join(folder, "model.safetensors")).size;
  expect(real).toBeGreaterThan(64 * MIB);
  for (const quantize of KINDS) {
    site.faults.reset();
    const load = (page: typeof doran) => page.evaluate(async ({ sources, quantize }) => {
      const engine = await window.doran.Engine.load({ files: sources }, { quantize });
      const { ids } = await window.read(engine.generate(Uint32Array.of(1, 5, 9), { temperature: 0, maxTokens: 12, ignoreEos: true }));
      const { info } = engine;
      await engine.unload();
      const stored = (await window.doran.Engine.storage.list()).find((model) => model.name === info.name);
      return { ids, info, stored };
    }, { sources: files(site.faults.url), quantize });
    const cold = await load(doran);
    expect(cold.ids).toHaveLength(12);
    expect(cold.info.name).toBe(`${site.faults.url}/${name}#${quantize}`);
    // The real bytes came, and hardly any twice.
    expect(cold.info.load.bytesDownloaded).toBeGreaterThanOrEqual(real);
    expect(site.faults.bytes()).toBeGreaterThanOrEqual(real);
    expect(site.faults.bytes()).toBeLessThanOrEqual(real + MIB);
    // F32 takes 32 bits a weight, and nearly all weights are in matrices.
    const bits = { q8_0: 8.5, q6_k: 6.5625, q4_k: 4.5, q4_0: 4.5 }[quantize];
    expect(cold.stored?.complete).toBe(true);
    expect(cold.stored?.storedBytes).toBe(cold.stored?.totalBytes);
    expect(cold.stored?.storedBytes ?? 0).toBeLessThan((real * bits) / 32 + MIB);
    expect(cold.stored?.storedBytes ?? 0).toBeGreaterThan((real * bits) / 32);
    expect(cold.info.load.peakWasmBytesGrown - cold.info.load.tokenizerBytes).toBeLessThanOrEqual(32 * MIB);

    site.faults.reset();
    await open(doran, site);
    const warm = await load(doran);
    expect(warm.ids).toEqual(cold.ids);
    expect(warm.info.load).toMatchObject({ bytesDownloaded: 0, bytesFromStore: cold.stored?.totalBytes });
    expect(site.faults.bytes()).toBe(0);
    if (quantize === KINDS[0]) expect(await byName(doran, cold.info.name)).toEqual(cold.ids);
    await doran.evaluate((stored) => window.doran.Engine.storage.delete(stored), cold.info.name);
  }
});

test("cut at seeded offsets, what is stored ends in the same tokens", async ({ doran, site }) => {
  test.setTimeout(240_000);
  const generate = (query: string, as: string) => doran.evaluate(async ({ sources, as }) => {
    const engine = await window.doran.Engine.load({ files: sources }, { quantize: "q4_k", name: as });
    const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
    await engine.unload();
    return [...lastLogits];
  }, { sources: files(site.faults.url).map(({ path, url }) => ({ path, url: path.endsWith(".safetensors") ? `${url}${query}` : url })), as });
  const truth = await generate("", "whole");
  expect(truth.every(Number.isFinite)).toBe(true);
  for (const query of ["?cut=1&cuts=5&cutmax=9000000", "?cut=2&cuts=5&cutmax=30000000", "?norange", "?short", "?hide"]) {
    expect(await generate(query, `cut${query}`), query).toEqual(truth);
  }
});

test("what cannot be quantised is a typed error", async ({ doran, site }) => {
  const seen = await doran.evaluate(async ({ sources }) => {
    const { Engine } = window.doran;
    return {
      // @ts-expect-error there is no such kind
      unknown: await window.failure(Engine.load({ files: sources }, { quantize: "q3" })),
      gguf: await window.failure(Engine.load("/arch/llama/model-f32.gguf", { quantize: "q8_0" })),
      hashed: await window.failure(Engine.load({ files: sources }, { quantize: "q8_0", sha256: "0".repeat(64) })),
      stored: await Engine.storage.list(),
    };
  }, { sources: files(site.faults.url) });
  expect(seen.unknown).toMatchObject({ code: "bad_argument", data: { argument: "quantize" } });
  expect(seen.gguf).toMatchObject({ code: "bad_argument", data: { argument: "quantize" } });
  expect(seen.hashed).toMatchObject({ code: "bad_argument", data: { argument: "sha256" } });
  expect(seen.stored).toEqual([]);
});
