/** What is said of a model before it is loaded, against what loading it takes. */
import { statSync } from "node:fs";
import { expect, generated, test } from "./fixture.js";

const MIB = 1 << 20;
/** How far a prediction may be off. */
const TOLERANCE = 0.03;

test("GPU bytes are predicted within 3 % of what createBuffer counts, from headers only", async ({ doran, site }) => {
  test.setTimeout(240_000);
  const model = generated(64);
  const size = statSync(model.path).size;
  for (const [url, context] of [[`${site.faults.url}/${model.name}`, 1024], ["/models/SmolLM2-135M-Instruct.Q4_1.gguf", 512], ["/arch/qwen3/model-f32.gguf", 64]] as const) {
    site.faults.reset();
    const inspected = await doran.evaluate(({ url, context }) => window.doran.Engine.inspect(url, { context }), { url, context });
    if (context === 1024) {
      expect(inspected.fileBytes).toBe(size);
      // The vocabulary is long; of the weights nothing is read.
      expect(site.faults.bytes()).toBeLessThan(6 * MIB);
    }
    const counted = await doran.evaluate(async ({ url, context }) => {
      const engine = await window.doran.Engine.load(url, { context, store: false, createWorker: () => new Worker("/counting.js", { type: "module" }) });
      const bytes = await new Promise<number>((resolve) => {
        const answers = new BroadcastChannel("live-answers");
        answers.onmessage = ({ data }: MessageEvent<unknown>) => { if (typeof data === "number") { answers.close(); resolve(data); } };
        new BroadcastChannel("live-buffers").postMessage("bytes");
      });
      const { info } = engine;
      await engine.unload();
      return { bytes, info };
    }, { url, context });
    const { totalBytes } = inspected.gpu;
    console.log(`${url}: ${totalBytes} predicted, ${counted.bytes} counted`);
    expect(Math.abs(totalBytes - counted.bytes) / counted.bytes, url).toBeLessThan(TOLERANCE);
    expect(counted.info).toMatchObject({ parameters: inspected.parameters, context, architecture: inspected.architecture, adjustments: [] });
    expect(inspected).toMatchObject({ context, storedBytes: 0, downloadBytes: inspected.fileBytes, verdict: "fits", reason: null });
    expect(inspected.gpu.maxBindingBytes).toBeGreaterThanOrEqual(inspected.gpu.largestBindingBytes);
    expect(inspected.availableStorageBytes).toBeGreaterThan(0);
  }
  // Looking stores nothing.
  expect(await doran.evaluate(() => window.doran.Engine.storage.list())).toEqual([]);
});

test("the facts are those of the file, and what is stored need not be downloaded", async ({ doran }) => {
  const url = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  const seen = await doran.evaluate(async (url) => {
    const { Engine } = window.doran;
    const before = await Engine.inspect(url);
    await (await Engine.load(url, { context: 256 })).unload();
    const after = await Engine.inspect(url);
    const [stored] = await Engine.storage.list();
    return { before, after, stored: await Engine.inspect({ stored: stored?.name ?? "" }) };
  }, url);
  expect(seen.before).toMatchObject({
    architecture: "llama", kind: "decoder", license: "apache-2.0", parameters: 134_515_008, maxContext: 8192, context: 4096, fileBytes: 98_362_432,
    storedBytes: 0, downloadBytes: 98_362_432, verdict: "fits",
  });
  expect(seen.before.formats[0]).toMatchObject({ format: "Q4_1" });
  expect(seen.before.candidates).toMatchObject([{ format: "Q4_1", files: 1 }]);
  expect(seen.after).toMatchObject({ storedBytes: 98_362_432, downloadBytes: 0 });
  expect(seen.stored).toMatchObject({ storedBytes: 98_362_432, downloadBytes: 0, architecture: "llama" });
});

test("what cannot run is refused before it is downloaded, and steps down where it may", async ({ doran, site }) => {
  test.setTimeout(240_000);
  const model = generated(64);
  const url = `${site.faults.url}/${model.name}`;
  const { needed, less } = await doran.evaluate(async (url) => {
    const { Engine } = window.doran;
    const [whole, half] = [await Engine.inspect(url, { context: 2048 }), await Engine.inspect(url, { context: 1024 })];
    return { needed: whole.gpu.totalBytes, less: half.gpu.totalBytes };
  }, url);
  expect(less).toBeLessThan(needed);
  site.faults.reset();
  const refused = await doran.evaluate(async ({ url, room }) => {
    const { Engine } = window.doran;
    const little = () => new Worker(`/with-little-memory.js?bytes=${room}`, { type: "module" });
    const small = () => new Worker(`/with-small-bindings.js?bytes=${1 << 20}`, { type: "module" });
    return {
      looked: await Engine.inspect(url, { context: 2048, createWorker: little }),
      room: await window.failure(Engine.load(url, { context: 2048, createWorker: little })),
      piece: await window.failure(Engine.load(url, { context: 2048, createWorker: small })),
      lookedAtPiece: await Engine.inspect(url, { context: 2048, createWorker: small }),
    };
  }, { url, room: needed - MIB });
  expect(refused.looked.verdict).toBe("no");
  expect(refused.room).toMatchObject({ code: "out_of_memory", data: { needed_bytes: needed, available_bytes: null } });
  expect(refused.piece).toMatchObject({ code: "out_of_memory", data: { available_bytes: MIB } });
  expect(refused.piece.data["needed_bytes"]).toBeGreaterThan(MIB);
  expect(refused.lookedAtPiece).toMatchObject({ verdict: "no", gpu: { maxBindingBytes: MIB } });
  expect(refused.lookedAtPiece.reason).toContain("in one piece");
  expect(site.faults.bytes()).toBeLessThan(24 * MIB);

  // A chunk of 8 MiB on its way needs room too.
  const fitted = await doran.evaluate(async ({ url, room }) => {
    const createWorker = (): Worker => new Worker(`/with-little-memory.js?bytes=${room}`, { type: "module" });
    const engine = await window.doran.Engine.load(url, { context: 2048, fit: "auto", store: false, createWorker });
    const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
    const { info } = engine;
    await engine.unload();
    return { info, finite: lastLogits.every(Number.isFinite) };
  }, { url, room: Math.max(less + 9 * MIB, needed - 1) });
  expect(fitted.finite).toBe(true);
  expect(fitted.info.context).toBeLessThan(2048);
  expect(fitted.info.adjustments).toEqual([{ what: "context", from: 2048, to: fitted.info.context }]);
  expect(fitted.info.warnings.join()).toContain("2048");
});

test("a split file computes what the single one does, bit for bit", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const part = (no: number): string => `/split/llama-0000${no}-of-00003.gguf`;
    const whole = await window.probe("/arch/llama/model-f32.gguf", { backend: "webgpu" });
    const split = await window.probe(part(1), { backend: "webgpu" });
    const { Engine } = window.doran;
    const logits = async (loading: ReturnType<typeof Engine.load>): Promise<number[]> => {
      const engine = await loading;
      const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
      await engine.unload();
      return [...lastLogits.slice(0, 64)];
    };
    const blobs = await Promise.all([3, 1, 2].map(async (no) => ({ path: part(no).slice(7), file: await (await fetch(part(no))).blob() })));
    const again = await logits(Engine.load(new URL(part(1), location.href)));
    return {
      whole: whole.logits, split: split.logits, again, stored: await Engine.storage.list(), files: await logits(Engine.load({ files: blobs })),
      missing: await window.failure(Engine.load({ files: blobs.slice(1) })),
      disordered: await window.failure(Engine.load({ files: [1, 0, 2].map((at) => ({ path: `${at}.gguf`, url: part([1, 3, 2][at] ?? 1) })) })),
      mixed: await window.failure(Engine.load({ files: [part(1), part(2), "/split/qwen2-00003-of-00003.gguf"].map((url, at) => ({ path: `llama-0000${at + 1}-of-00003.gguf`, url })) })),
      gone: await window.failure(Engine.load("/split/llama-00001-of-00004.gguf")),
    };
  });
  expect(seen.split).toEqual(seen.whole);
  expect(seen.again).toEqual(seen.whole);
  expect(seen.files).toEqual(seen.whole);
  expect(seen.stored.map(({ name }) => name).some((name) => name.endsWith("/split/llama-00001-of-00003.gguf"))).toBe(true);
  expect(seen.missing).toMatchObject({ code: "bad_file", data: { parts: 3, given: 2 } });
  // Names that say nothing of parts are models of their own.
  expect(seen.disordered.code).toBe("bad_file");
  expect(seen.mixed.code).toBe("bad_file");
  expect(seen.gone).toMatchObject({ code: "network", data: { status: 404 } });
});
