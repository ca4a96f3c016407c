/** Downloads of a generated, incompressible model of 64 MiB in eight chunks, over a server that fails as asked. */
import { statSync } from "node:fs";
import { expect, generated, open, sha256, test } from "./fixture.js";

const MIB = 1 << 20;
const CHUNK_BYTES = 8 * MIB;
const model = generated(64);
const size = statSync(model.path).size;
let hash = "";
let truth: number[] = [];

test.describe.configure({ mode: "serial" });
test.beforeAll(async () => { hash = await sha256(model.path); });

test("a whole download is verified, and a reload asks for no byte", async ({ doran, profile, site }) => {
  expect(size).toBeGreaterThanOrEqual(64 * MIB);
  const url = `${site.faults.url}/${model.name}`;
  site.faults.reset();
  const first = await doran.evaluate(({ url, sha256 }) => window.probe(url, { sha256, backend: "webgpu" }), { url, sha256: hash });
  expect(first.logits.every(Number.isFinite)).toBe(true);
  expect(first.info).toMatchObject({ integrity: "verified", load: { bytesDownloaded: size } });
  expect(site.faults.bytes()).toBe(size);

  site.faults.reset();
  const requests: string[] = [];
  profile.on("request", (request) => { if (request.url().startsWith("http")) requests.push(request.url()); });
  await open(doran, site);
  const ready = await doran.evaluate(async ({ url }) => {
    const engine = await window.doran.Engine.load(url);
    const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
    window.engine = engine;
    return { logits: [...lastLogits.slice(0, 64)], downloaded: engine.info.load.bytesDownloaded };
  }, { url });
  expect(ready).toEqual({ logits: first.logits, downloaded: 0 });
  expect(site.faults.bytes()).toBe(0);
  // From "ready" on, neither page nor worker asks anybody anything.
  requests.length = 0;
  await doran.evaluate(async () => {
    for (let i = 0; i < 3; i += 1) await window.read(window.engine.generate(Uint32Array.of(1, 2 + i), { maxTokens: 4 }));
    await window.engine.unload();
  });
  expect(requests).toEqual([]);
  // What other loads are held against.
  truth = (await doran.evaluate((url) => window.probe(url), url)).logits;
});

test("cut at fifty seeded offsets, a download ends in the same model", async ({ doran, site }) => {
  test.setTimeout(240_000);
  let cuts = 0;
  for (let seed = 1; seed <= 5; seed += 1) {
    site.faults.reset();
    const url = `${site.faults.url}/${model.name}?cut=${seed}&cuts=10&cutmax=${8 * MIB}`;
    const { logits, info } = await doran.evaluate(({ url, sha256, name }) => window.probe(url, { sha256, name }), { url, sha256: hash, name: `cut-${seed}` });
    expect(logits).toEqual(truth);
    expect(info.integrity).toBe("verified");
    // At most one chunk a cut connection is sent again.
    expect(site.faults.bytes()).toBeLessThanOrEqual(size + 10 * CHUNK_BYTES);
    await doran.evaluate((name) => window.doran.Engine.storage.delete(name), `cut-${seed}`);
    cuts += 10;
  }
  expect(cuts).toBe(50);
});

test("a page that is closed half-way goes on where it stopped", async ({ doran, profile, site }) => {
  site.faults.reset();
  const url = `${site.faults.url}/${model.name}?slow=${24 * MIB}`;
  const half = doran.evaluate(({ url, sha256 }) => new Promise<void>((resolve) => {
    void window.doran.Engine.load(url, { sha256, name: "half", onProgress: ({ loadedBytes }) => { if (loadedBytes > 40 * (1 << 20)) resolve(); } });
  }), { url, sha256: hash });
  await half;
  await doran.close();
  const before = site.faults.bytes();
  const page = await profile.newPage();
  await open(page, site);
  const stored = await page.evaluate(() => window.doran.Engine.storage.list());
  expect(stored).toMatchObject([{ name: "half", complete: false }]);
  const kept = stored[0]?.storedBytes ?? 0;
  expect(kept).toBeGreaterThanOrEqual(2 * CHUNK_BYTES);
  const { logits, info } = await page.evaluate(({ url, sha256 }) => window.probe(url, { sha256, name: "half" }), { url, sha256: hash });
  expect(logits).toEqual(truth);
  expect(info.load.bytesDownloaded).toBe(size - kept);
  expect(site.faults.bytes() - before).toBeLessThanOrEqual(size - kept + CHUNK_BYTES);
});

test("a bit that flips in IndexedDB is found, and only its chunk is fetched again", async ({ doran, site }) => {
  const url = `${site.faults.url}/${model.name}`;
  await doran.evaluate(({ url }) => window.probe(url, { name: "flip" }), { url });
  const bytes = await doran.evaluate(async () => {
    const request = indexedDB.open("doran");
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const settled = <T>(wanted: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
      wanted.onsuccess = () => resolve(wanted.result);
      wanted.onerror = () => reject(wanted.error);
    });
    const key = (await settled(db.transaction("chunks").objectStore("chunks").getAllKeys())).find((k) => Array.isArray(k) && k[0] === "flip" && k[2] === 3);
    if (key === undefined) throw new Error("no chunk 3");
    const record: unknown = await settled(db.transaction("chunks").objectStore("chunks").get(key));
    // The bytes are the record itself or one of its fields, as a Blob or an ArrayBuffer.
    const isBytes = (value: unknown): value is Blob | ArrayBuffer => value instanceof Blob || value instanceof ArrayBuffer;
    const fields = Object.entries(isBytes(record) || typeof record !== "object" || record === null ? {} : record);
    const [field, value] = fields.find(([, candidate]) => isBytes(candidate)) ?? [undefined, record];
    if (!isBytes(value)) throw new Error("the record holds no bytes");
    const buffer = value instanceof Blob ? await value.arrayBuffer() : value;
    const view = new DataView(buffer);
    view.setUint8(12_345, view.getUint8(12_345) ^ 4);
    const damaged = value instanceof Blob ? new Blob([buffer]) : buffer;
    const store = db.transaction("chunks", "readwrite").objectStore("chunks");
    const put = field === undefined ? damaged : { ...Object.fromEntries(fields), [field]: damaged };
    await settled(store.keyPath === null ? store.put(put, key) : store.put(put));
    db.close();
    return buffer.byteLength;
  });
  site.faults.reset();
  const checked = await doran.evaluate(async () => {
    const seen: number[] = [];
    const first = await window.doran.Engine.storage.verify("flip", { onProgress: ({ loadedBytes }) => { seen.push(loadedBytes); } });
    const complete = (await window.doran.Engine.storage.list()).find(({ name }) => name === "flip")?.complete;
    return { first, seen, complete };
  });
  expect(checked).toMatchObject({ first: { damaged: 1, bytes: size }, complete: false });
  expect(checked.seen.length).toBe(checked.first.chunks);
  const { logits, info } = await doran.evaluate(({ url }) => window.probe(url, { name: "flip" }), { url });
  expect(logits).toEqual(truth);
  expect(site.faults.bytes()).toBe(bytes);
  expect(info.load).toMatchObject({ bytesDownloaded: bytes });
});

test("a bit that flips in the network never reaches ready where a hash is known", async ({ doran, site }) => {
  const url = `${site.faults.url}/${model.name}?flip=${30 * MIB + 5}`;
  const seen = await doran.evaluate(async ({ url, sha256 }) => ({
    failure: await window.failure(window.probe(url, { sha256, name: "wire" })),
    stored: await window.doran.Engine.storage.list(),
  }), { url, sha256: hash });
  expect(seen.failure.code).toBe("bad_hash");
  expect(seen.stored.filter(({ name, complete }) => name === "wire" && complete)).toEqual([]);
});

test("servers without, with lying and with short ranges give the same model or a typed error", async ({ doran, site }) => {
  test.setTimeout(240_000);
  for (const fault of ["norange", "503=2", "short", "lie", "hide"]) {
    const url = `${site.faults.url}/${model.name}?${fault}`;
    const outcome = await doran.evaluate(async ({ url, sha256, name }) => {
      const probe = window.probe(url, { sha256, name });
      const { code } = await window.failure(probe);
      const logits = code === "none" ? (await probe).logits : undefined;
      await window.doran.Engine.storage.delete(name).catch(() => undefined);
      return { code, logits };
    }, { url, sha256: hash, name: fault });
    if (outcome.logits === undefined) expect(["network", "bad_hash", "bad_chunk"], fault).toContain(outcome.code);
    else expect(outcome.logits, fault).toEqual(truth);
  }
});

test("two tabs download once", async ({ doran, profile, site }) => {
  const other = await profile.newPage();
  await open(other, site);
  site.faults.reset();
  const url = `${site.faults.url}/${model.name}`;
  const both = await Promise.all([doran, other].map((page) => page.evaluate(({ url }) => window.probe(url, { name: "twice" }), { url })));
  for (const { logits } of both) expect(logits).toEqual(truth);
  expect(site.faults.bytes()).toBeLessThanOrEqual(size + MIB);
});

test("a full store is a typed error that keeps what is there; with room again the load goes on", async ({ doran, profile, site }) => {
  const session = await profile.newCDPSession(doran);
  const origin = site.address;
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 30 * MIB });
  const url = `${site.faults.url}/${model.name}`;
  const full = await doran.evaluate(({ url }) => window.failure(window.probe(url, { name: "quota" })), { url });
  expect(full.code).toBe("quota");
  expect(full.data["needed_bytes"]).toBeGreaterThan(0);
  await session.send("Storage.overrideQuotaForOrigin", { origin });
  const kept = (await doran.evaluate(() => window.doran.Engine.storage.list())).find(({ name }) => name === "quota")?.storedBytes ?? 0;
  expect(kept).toBeGreaterThanOrEqual(CHUNK_BYTES);
  site.faults.reset();
  const { logits, info } = await doran.evaluate(({ url }) => window.probe(url, { name: "quota" }), { url });
  expect(logits).toEqual(truth);
  expect(info.load.bytesDownloaded).toBe(size - kept);
});

test("where there is no room, the model that was not used for the longest time goes, if the caller agrees", async ({ doran, profile, site }) => {
  const session = await profile.newCDPSession(doran);
  // From the start: Chromium remembers for a while how much room there is.
  await session.send("Storage.overrideQuotaForOrigin", { origin: site.address, quotaSize: 100 * MIB });
  const url = `${site.faults.url}/${model.name}`;
  await doran.evaluate(async ({ url }) => {
    await window.probe(url, { name: "older" });
    await window.probe("/arch/llama/model-f32.gguf", { name: "newer" });
  }, { url });
  const seen = await doran.evaluate(async ({ url }) => {
    const names = async () => (await window.doran.Engine.storage.list()).map(({ name }) => name).sort();
    const refused = await window.failure(window.probe(url, { name: "third" }));
    const before = await names();
    const { logits, info } = await window.probe(url, { name: "third", evict: true });
    return { refused: refused.code, before, logits, warnings: info.warnings, after: await names(), persisted: await window.doran.Engine.storage.persist() };
  }, { url });
  expect(seen.refused).toBe("quota");
  expect(seen.before).toEqual(["newer", "older", "third"]);
  expect(seen.logits).toEqual(truth);
  expect(seen.after).toEqual(["newer", "third"]);
  expect(seen.warnings.join(" ")).toContain("older was deleted");
  expect(typeof seen.persisted).toBe("boolean");
});

test("without IndexedDB a model runs from memory, with a warning", async ({ doran, site }) => {
  const url = `${site.faults.url}/${model.name}`;
  const { logits, info } = await doran.evaluate(
    ({ url }) => window.probe(url, { createWorker: () => new Worker("/no-store.js", { type: "module" }) }), { url },
  );
  expect(logits).toEqual(truth);
  expect(info.warnings).toHaveLength(1);
});
