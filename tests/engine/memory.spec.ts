/** The wasm heap while loading: a few chunks, whatever the model's size. */
import { expect, generated, test } from "./fixture.js";

const HEAP_BYTES = 32 * (1 << 20);

test("a model of 512 MiB grows the wasm heap by at most 32 MiB", async ({ doran, site }) => {
  test.setTimeout(300_000);
  const model = generated(512);
  const url = `${site.faults.url}/${model.name}`;
  const { info, logits } = await doran.evaluate(({ url }) => window.probe(url, { backend: "webgpu" }), { url });
  expect(logits.every(Number.isFinite)).toBe(true);
  expect(info.load.bytesDownloaded).toBeGreaterThanOrEqual(512 * (1 << 20));
  expect(info.load.peakWasmBytesGrown - info.load.tokenizerBytes).toBeLessThanOrEqual(HEAP_BYTES);
  const { ms, times } = info.load;
  for (const [kind, spent] of Object.entries(times)) {
    // Two fetchers wait at once.
    expect(spent, kind).toBeLessThanOrEqual(2 * ms);
    if (kind !== "tune") expect(spent, kind).toBeGreaterThan(0);
  }
  expect(Object.keys(times)).toEqual(["fetch", "hash", "store", "upload", "tune", "compile"]);
  console.log(`grown by ${info.load.peakWasmBytesGrown} bytes, tokenizer ${info.load.tokenizerBytes}, GPU ${info.load.gpuBytes}`);
});
