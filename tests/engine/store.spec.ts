/** The store under what disks, browsers and readers do to it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, generated, open, sha256, test } from "./fixture.js";

const MIB = 1 << 20;
const model = generated(64);
const size = statSync(model.path).size;

/** A safetensors folder. */
const FOLDER = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].map((path) => ({ path, url: `/arch/llama/${path}` }));

/** A number below 1 that the seed gives (mulberry32). */
function random(seed: number): number {
  let state = Math.imul(seed + 1, 0x6d2b79f5);
  state = Math.imul(state ^ (state >>> 15), state | 1);
  state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
  return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
}

/** How often; `npm run test:long -- kills` has more of it. */
const KILLS = Number(process.env["DORAN_KILLS"] ?? 8);

for (const [room, quota, least] of [["no chunk", 0, 0], ["one chunk", 13 * MIB, 1], ["all chunks but one", 61 * MIB, 6]] as const) {
  test(`with room for ${room} a load ends in a typed error, and goes on with more`, async ({ doran, profile, site }) => {
    const session = await profile.newCDPSession(doran);
    // From the start: Chromium remembers for a while how much room there is. Zero would mean no limit.
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.address, quotaSize: Math.max(quota, 1) });
    site.faults.reset();
    const url = `${site.faults.url}/${model.name}`;
    const full = await doran.evaluate((url) => window.failure(window.probe(url, { name: "full" })), url);
    expect(full.code).toBe("quota");
    const raw = await doran.evaluate(() => window.rawStore("full"));
    expect(raw).toMatchObject({ complete: false, bad: 0 });
    expect(raw.stored).toBeGreaterThanOrEqual(least);
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.address });
    const kept = (await doran.evaluate(() => window.doran.Engine.storage.list())).find(({ name }) => name === "full")?.storedBytes ?? 0;
    expect(full.data["needed_bytes"]).toBe(size - kept);
    const { info } = await doran.evaluate((url) => window.probe(url, { name: "full" }), url);
    expect(info.load.bytesDownloaded).toBe(size - kept);
    expect(await doran.evaluate(() => window.rawStore("full"))).toMatchObject({ complete: true, bad: 0, missing: 0 });
  });
}

test("a store that is full, damaged or deleted in part leaves other models as they are", async ({ doran, site }) => {
  const seen = await doran.evaluate(async ({ url }) => {
    const other = await window.probe("/arch/qwen2/model-f32.gguf", { name: "other" });
    await window.failure(window.probe(`${url}?flip=1234567`, { name: "bad", sha256: "0".repeat(64) }));
    await window.probe(url, { name: "good" });
    await window.doran.Engine.storage.delete("good");
    const again = await window.probe("/arch/qwen2/model-f32.gguf", { name: "other" });
    return { same: again.logits.join() === other.logits.join(), downloaded: again.info.load.bytesDownloaded, raw: await window.rawStore("other") };
  }, { url: `${site.faults.url}/${model.name}` });
  expect(seen).toMatchObject({ same: true, downloaded: 0, raw: { complete: true, bad: 0, missing: 0 } });
});

test("crashed pages and killed browsers leave a store that claims nothing that is not there", async ({ site }) => {
  test.setTimeout(20_000 * KILLS);
  const folder = mkdtempSync(join(tmpdir(), "doran-killed-"));
  const url = `${site.faults.url}/${model.name}?slow=${20 * MIB}`;
  const hash = await sha256(model.path);
  let browser: BrowserContext | undefined;
  const stored: number[] = [];
  let completed = 0;
  try {
    for (let seed = 1; seed <= KILLS; seed += 1) {
      browser ??= await chromium.launchPersistentContext(folder, launchOptions(undefined));
      const page = await browser.newPage();
      await open(page, site);
      const before = await page.evaluate(() => window.rawStore("killed"));
      expect(before.bad, `before seed ${seed}`).toBe(0);
      if (before.complete) {
        // All of it came through kills: it is the model.
        const { info } = await page.evaluate(({ url, sha256 }) => window.probe(url, { name: "killed", sha256 }), { url, sha256: hash });
        expect(info).toMatchObject({ integrity: "verified", load: { bytesDownloaded: 0 } });
        await page.evaluate(() => window.doran.Engine.storage.delete("killed"));
        completed += 1;
      }
      stored.push(before.stored);
      const after = Math.round((0.15 + 0.85 * random(seed)) * 40) * MIB;
      await page.evaluate(({ url, sha256, after }) => new Promise<void>((resolve) => {
        const onProgress = ({ loadedBytes, fromStoreBytes }: { loadedBytes: number; fromStoreBytes: number }): void => {
          if (loadedBytes - fromStoreBytes >= after) resolve();
        };
        void window.probe(url, { name: "killed", sha256, onProgress }).finally(resolve);
      }), { url, sha256: hash, after });
      if (seed % 2 === 0) await crash(browser, page);
      else {
        kill(folder);
        await browser.close().catch(() => undefined);
        browser = undefined;
      }
    }
  } finally {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  // The kills came in the middle of things, and did not always begin at nothing.
  expect(stored.filter((chunks) => chunks > 0 && chunks < 8).length).toBeGreaterThanOrEqual(KILLS / 4);
  expect(completed).toBeGreaterThanOrEqual(KILLS / 10);
});

/** Ends a page's process. */
async function crash(browser: BrowserContext, page: Page): Promise<void> {
  const session = await browser.newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  session.send("Page.crash").catch(() => undefined);
  await crashed;
  await page.close();
}

/** Ends all processes of a browser at once, as a loss of power or a hasty reader does. */
function kill(folder: string): void {
  expect(spawnSync("pkill", ["-KILL", "-f", folder]).status).toBe(0);
}

test("what the reader clears while a model runs is gone, and the model goes on", async ({ doran, profile, site }) => {
  const session = await profile.newCDPSession(doran);
  const clear = (): Promise<unknown> => session.send("Storage.clearDataForOrigin", { origin: site.address, storageTypes: "indexeddb" });
  const url = `${site.faults.url}/${model.name}`;
  const before = await doran.evaluate(async (url) => {
    window.engine = await window.doran.Engine.load(url, { name: "cleared" });
    return (await window.read(window.engine.generate(Uint32Array.of(1, 2, 3), { maxTokens: 4, temperature: 0, ignoreEos: true }))).ids;
  }, url);
  await clear();
  const after = await doran.evaluate(async () => {
    const { ids } = await window.read(window.engine.generate(Uint32Array.of(1, 2, 3), { maxTokens: 4, temperature: 0, ignoreEos: true }));
    await window.engine.unload();
    return { ids, stored: await window.doran.Engine.storage.list() };
  });
  expect(after).toEqual({ ids: before, stored: [] });
  const again = await doran.evaluate((url) => window.probe(url, { name: "cleared" }), url);
  expect(again.info.load.bytesDownloaded).toBe(size);

  // While it loads: nothing may be claimed that went.
  await doran.evaluate(() => window.doran.Engine.storage.delete("cleared"));
  const slow = `${url}?slow=${16 * MIB}`;
  await doran.evaluate((url) => new Promise<void>((resolve) => {
    window.loading = window.failure(window.probe(url, { name: "cleared", onProgress: ({ loadedBytes }) => { if (loadedBytes > 30 * 2 ** 20) resolve(); } }));
  }), slow);
  await clear();
  const ended = await doran.evaluate(() => window.loading);
  const raw = await doran.evaluate(() => window.rawStore("cleared"));
  expect(raw.bad).toBe(0);
  expect(ended).toMatchObject({ code: "storage", data: { removed: true } });
  const anew = await doran.evaluate((url) => window.probe(url, { name: "cleared" }), url);
  expect(anew.logits).toEqual(again.logits);
  expect(await doran.evaluate(() => window.rawStore("cleared"))).toMatchObject({ complete: true, bad: 0, missing: 0 });
});

test("a model that a newer version stored is refused, and can be deleted", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    await window.probe("/arch/llama/model-f32.gguf", { name: "newer" });
    const request = indexedDB.open("doran");
    const db = await new Promise<IDBDatabase>((resolve, reject) => { request.onsuccess = () => { resolve(request.result); }; request.onerror = () => { reject(request.error); }; });
    const writing = db.transaction("manifests", "readwrite");
    const manifests = writing.objectStore("manifests");
    const stored = manifests.get("newer");
    stored.onsuccess = () => { manifests.put({ ...stored.result, schema: 99 }, "newer"); };
    await new Promise((resolve, reject) => { writing.oncomplete = resolve; writing.onabort = reject; });
    const refused = await window.failure(window.probe("newer"));
    await window.doran.Engine.storage.delete("newer");
    const gone = await window.failure(window.doran.Engine.storage.delete("newer"));
    const count = db.transaction("chunks").objectStore("chunks").count(IDBKeyRange.bound(["newer"], ["newer", []]));
    const chunks = await new Promise<number>((resolve) => { count.onsuccess = () => { resolve(count.result); }; });
    db.close();
    return { refused, gone, chunks };
  });
  expect(seen).toMatchObject({ refused: { code: "storage" }, gone: { code: "not_found" }, chunks: 0 });
  expect(seen.refused?.message).toContain("newer version");
});

declare global {
  interface Window {
    /** A load that a test waits for later. */
    loading: Promise<{ code: string; data: Record<string, unknown> }>;
  }
}

test("a store that the first version wrote still loads", async ({ doran }) => {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, "tests/fixtures/store/manifest-1.json"), "utf8"));
  const seen = await doran.evaluate(async (manifest) => {
    const isManifest = (value: unknown): value is { model: string; files: { chunks: { start: number; len: number }[] }[] } => typeof value === "object" && value !== null && "files" in value;
    if (!isManifest(manifest)) throw new Error("that is no manifest");
    // As the first version made its database and wrote into it, by hand.
    const request = indexedDB.open("doran", 1);
    request.onupgradeneeded = () => { for (const name of ["manifests", "chunks"]) request.result.createObjectStore(name); };
    const db = await new Promise<IDBDatabase>((resolve, reject) => { request.onsuccess = () => { resolve(request.result); }; request.onerror = () => { reject(request.error); }; });
    const bytes = await (await fetch("/arch/llama/model-f32.gguf")).arrayBuffer();
    const writing = db.transaction(["manifests", "chunks"], "readwrite");
    for (const [f, { chunks }] of manifest.files.entries()) {
      for (const [c, { start, len }] of chunks.entries()) {
        const chunk = bytes.slice(start, start + len);
        // Blobs on Chromium and Firefox, buffers on WebKit and in some private windows: either is read anywhere.
        writing.objectStore("chunks").put(c % 2 === 0 ? { blob: new Blob([chunk]) } : { buffer: chunk }, [manifest.model, f, c]);
      }
    }
    writing.objectStore("manifests").put(manifest, manifest.model);
    await new Promise((resolve, reject) => { writing.oncomplete = resolve; writing.onabort = reject; });
    db.close();
    const [listed] = await window.doran.Engine.storage.list();
    const checked = await window.doran.Engine.storage.verify(manifest.model);
    const old = await window.probe(manifest.model);
    const fresh = await window.probe("/arch/llama/model-f32.gguf", { name: "fresh" });
    const dates = (await window.doran.Engine.storage.list()).map(({ verifiedAt }) => verifiedAt ?? 0);
    return { listed, checked, same: old.logits.join() === fresh.logits.join(), info: old.info, dates };
  }, manifest);
  expect(seen.listed).toMatchObject({ name: "tiny llama", complete: true, totalBytes: seen.checked.bytes });
  expect(seen).toMatchObject({ same: true, checked: { damaged: 0 }, info: { integrity: "verified", load: { bytesDownloaded: 0 } } });
  expect(seen.checked.chunks).toBeGreaterThanOrEqual(8);
  // It did not note when it was found to be right; a check does, and so does a load.
  expect(seen.listed?.verifiedAt).toBeUndefined();
  for (const date of seen.dates) expect(Math.abs(Date.now() - date)).toBeLessThan(60_000);
});

test("what is stored twice is told, and when it was last found to be right", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const list = async () => Object.fromEntries((await Engine.storage.list()).map((model) => [model.name, model]));
    const url = "/arch/llama/model-f32.gguf";
    await window.probe(url, { name: "one" });
    await window.probe("/arch/qwen2/model-f32.gguf", { name: "other" });
    const alone = await list();
    await window.probe(url, { name: "two" });
    const both = await list();
    const before = Date.now();
    await Engine.storage.verify("one");
    return { alone, both, before, after: await list() };
  });
  const { one, two, other } = seen.both;
  expect(seen.alone["one"]).toMatchObject({ sharedBytes: 0, sharedWith: [] });
  expect(one).toMatchObject({ sharedBytes: one?.totalBytes, sharedWith: ["two"] });
  expect(two).toMatchObject({ sharedBytes: two?.totalBytes, sharedWith: ["one"] });
  expect(other).toMatchObject({ sharedBytes: 0, sharedWith: [] });
  expect(one?.verifiedAt ?? Infinity).toBeLessThanOrEqual(seen.before);
  expect(seen.after["one"]?.verifiedAt ?? 0).toBeGreaterThanOrEqual(seen.before);
  expect(seen.after["two"]?.verifiedAt).toBe(two?.verifiedAt);
});

test("a stored model comes out as the files it was loaded from", async ({ doran, site }) => {
  site.faults.reset();
  const bytes = site.faults.bytes();
  const seen = await doran.evaluate(async ({ url, folder }) => {
    const { Engine } = window.doran;
    const hash = async (file: Blob) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    await window.probe(url, { name: "whole" });
    const told: { loadedBytes: number; totalBytes: number }[] = [];
    const files = await Engine.storage.export("whole", { onProgress: (progress) => { told.push(progress); } });
    const [file] = files;
    if (file === undefined) throw new Error("no file");
    // It loads like the one that was downloaded.
    const again = await window.probe(url, { name: "whole" });
    await Engine.storage.delete("whole");
    const engine = await Engine.load(file, { backend: "reference", store: false });
    const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
    await engine.unload();
    // A folder has several.
    await (await Engine.load({ files: folder }, { name: "folder", backend: "reference" })).unload();
    const several = await Engine.storage.export("folder");
    return {
      names: files.map(({ name }) => name), hash: await hash(file), told,
      same: lastLogits.slice(0, 64).join() === again.logits.join(),
      several: await Promise.all(several.map(async (file) => [file.name, await hash(file)])),
      originals: await Promise.all(folder.map(async ({ path, url }) => [path, await hash(await (await fetch(url)).blob())])),
    };
  }, { url: `${site.faults.url}/${model.name}?slow=0`, folder: FOLDER });
  expect(site.faults.bytes() - bytes).toBe(size);
  expect(seen).toMatchObject({ names: [model.name], same: true, hash: await sha256(model.path) });
  expect(seen.told.length).toBeGreaterThanOrEqual(8);
  expect(seen.told.at(-1)).toMatchObject({ loadedBytes: size, totalBytes: size });
  expect(new Map(seen.several.map(([name, hash]) => [name, hash]))).toEqual(new Map(seen.originals.map(([name, hash]) => [name, hash])));
});

test("what cannot be exported is a typed error, and leaves the store as it is but for what is damaged", async ({ doran, site }) => {
  const seen = await doran.evaluate(async ({ url, folder }) => {
    const { Engine } = window.doran;
    const failed = (name: string, options = {}) => window.failure(Engine.storage.export(name, options));
    const none = await failed("none");
    const early = new AbortController();
    await window.failure(window.probe(`${url}?slow=50000000`, { name: "part", signal: early.signal, onProgress: ({ loadedBytes }) => { if (loadedBytes > 20 * 2 ** 20) early.abort(); } }));
    const part = await failed("part");
    await window.probe(url, { name: "whole" });
    const controller = new AbortController();
    const reason = new Error("enough");
    let told = 0;
    const aborted = await Engine.storage.export("whole", { signal: controller.signal, onProgress: () => { told += 1; controller.abort(reason); } }).catch((error: unknown) => error === reason);
    const before = await window.rawStore("whole");
    // A bit of the sixth chunk flips on the disk.
    const request = indexedDB.open("doran");
    const db = await new Promise<IDBDatabase>((resolve) => { request.onsuccess = () => { resolve(request.result); }; });
    const settled = <T>(wanted: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => { wanted.onsuccess = () => { resolve(wanted.result); }; wanted.onerror = () => { reject(wanted.error); }; });
    const record: unknown = await settled<unknown>(db.transaction("chunks").objectStore("chunks").get(["whole", 0, 5]));
    if (typeof record !== "object" || record === null || !("blob" in record) || !(record.blob instanceof Blob)) throw new Error("Chromium stores blobs");
    const chunk = new Uint8Array(await record.blob.arrayBuffer());
    chunk[1000] = (chunk[1000] ?? 0) ^ 8;
    await settled(db.transaction("chunks", "readwrite").objectStore("chunks").put({ buffer: chunk.buffer }, ["whole", 0, 5]));
    db.close();
    const damaged = await failed("whole");
    const after = await window.rawStore("whole");
    const mended = await window.probe(url, { name: "whole" });
    await (await Engine.load({ files: folder }, { name: "small", quantize: "q8_0", backend: "reference" })).unload();
    return { none, part, aborted, told, before, damaged, after, length: chunk.byteLength, downloaded: mended.info.load.bytesDownloaded, quantised: await failed("small") };
  }, { url: `${site.faults.url}/${model.name}`, folder: FOLDER });
  expect(seen.none).toMatchObject({ name: "DoranError", code: "not_found" });
  expect(seen.part).toMatchObject({ code: "bad_argument", data: { argument: "name", total_bytes: size }, message: expect.stringContaining("load it from its address") });
  expect(seen.part.data["stored_bytes"]).toBeLessThan(size);
  expect(seen).toMatchObject({ aborted: true, before: { complete: true, bad: 0, missing: 0 } });
  // The signal has a thread to cross.
  expect(seen.told).toBeLessThan(seen.before.stored);
  expect(seen.damaged).toMatchObject({ code: "bad_chunk", data: { file: 0, chunk: 5 } });
  expect(seen.after).toEqual({ complete: false, stored: seen.before.stored - 1, bad: 0, missing: 1 });
  expect(seen.downloaded).toBe(seen.length);
  expect(seen.quantised).toMatchObject({ code: "unsupported", message: expect.stringContaining("quantised when it arrived") });
});
