/** Downloads that the caller, the network or the publisher interrupts, over a generated model of 64 MiB in eight chunks. */
import { copyFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { makeGguf } from "../../scripts/make-gguf.mjs";
import { CACHE } from "../../scripts/lib/util.mjs";
import { expect, generated, open, REAL, sha256, test } from "./fixture.js";

const MIB = 1 << 20;
const model = generated(64);
const size = statSync(model.path).size;

/** A load in the page that a test looks at while it goes on. */
declare global {
  interface Window {
    under: { phases: string[]; loaded: number; done: Promise<{ logits: number[]; info: import("../../pkg/src/index.js").ModelInfo }>; pause: import("../../pkg/src/index.js").PauseController };
  }
}

/** Begins a load in the page. */
const begin = ({ url, name }: { url: string; name: string }): void => {
  const pause = new window.doran.PauseController();
  const under: Window["under"] = { phases: [], loaded: 0, pause, done: Promise.reject(new Error("not begun")) };
  under.done.catch(() => undefined);
  window.under = under;
  under.done = window.probe(url, {
    name, pause,
    onProgress: ({ phase, loadedBytes }) => {
      if (under.phases.at(-1) !== phase) under.phases.push(phase);
      under.loaded = loadedBytes;
    },
  });
  under.done.catch(() => undefined);
};

test("addresses that expire are resolved anew", async ({ doran, site }) => {
  const url = `${site.faults.url}/${model.name}?expires=4&cut=5&cuts=9&cutmax=${12 * MIB}`;
  const before = site.faults.expired();
  const { info } = await doran.evaluate(({ url, sha256 }) => window.probe(url, { sha256 }), { url, sha256: await sha256(model.path) });
  expect(info.integrity).toBe("verified");
  expect(site.faults.expired() - before).toBeGreaterThanOrEqual(2);
});

test("a paused download waits without a connection, and goes on where it was", async ({ doran, profile, site }) => {
  const url = `${site.faults.url}/${model.name}?slow=${24 * MIB}`;
  await doran.evaluate(begin, { url, name: "paused" });
  await doran.waitForFunction((least) => window.under.loaded > least, 20 * MIB);
  await doran.evaluate(() => { window.under.pause.pause(); });
  await doran.waitForFunction(() => window.under.phases.at(-1) === "paused");
  // What is between the two still arrives.
  await doran.waitForTimeout(500);
  const paused = site.faults.bytes();
  await doran.waitForTimeout(1500);
  expect(site.faults.bytes()).toBe(paused);
  await doran.evaluate(() => { window.under.pause.resume(); });
  const { info } = await doran.evaluate(() => window.under.done);
  // Nothing comes twice but what stood between two chunks when it paused.
  expect(info.load.bytesDownloaded).toBeGreaterThanOrEqual(size);
  expect(info.load.bytesDownloaded).toBeLessThan(size + MIB);
  expect(await doran.evaluate(() => window.under.phases)).toEqual(expect.arrayContaining(["download", "paused", "ready"]));

  // Paused, closed, and opened again.
  await doran.evaluate(begin, { url, name: "closed" });
  await doran.waitForFunction((least) => window.under.loaded > least, 40 * MIB);
  await doran.evaluate(() => { window.under.pause.pause(); });
  await doran.waitForFunction(() => window.under.phases.at(-1) === "paused");
  await doran.close();
  const page = await profile.newPage();
  await open(page, site);
  const [stored] = (await page.evaluate(() => window.doran.Engine.storage.list())).filter(({ name }) => name === "closed");
  expect(stored?.storedBytes).toBeGreaterThanOrEqual(16 * MIB);
  const again = await page.evaluate((url) => window.probe(url, { name: "closed" }), url);
  expect(again.info.load.bytesDownloaded).toBe(size - (stored?.storedBytes ?? 0));
});

test("without a network a load waits, and goes on by itself", async ({ doran, profile, site }) => {
  // Connections that are open stay so in Chromium; the server cuts them.
  const url = `${site.faults.url}/${model.name}?slow=${24 * MIB}&cut=3&cutmax=${12 * MIB}`;
  await doran.evaluate(begin, { url, name: "offline" });
  await doran.waitForFunction((least) => window.under.loaded > least, 8 * MIB);
  await profile.setOffline(true);
  await doran.waitForFunction(() => window.under.phases.includes("offline"), undefined, { timeout: 60_000 });
  await doran.waitForTimeout(1000);
  expect(await doran.evaluate(() => window.under.phases.at(-1))).toBe("offline");
  await profile.setOffline(false);
  const { info } = await doran.evaluate(() => window.under.done);
  expect(info.load.bytesDownloaded).toBe(size);
});

test("a model that changed at its address is noticed, and replaced if that is wanted", async ({ doran, site }) => {
  const path = join(CACHE, "generated", "changing.gguf");
  const url = `${site.faults.url}/changing.gguf?compress`;
  copyFileSync(model.path, path);
  const first = await doran.evaluate((url) => window.probe(url), url);
  const second = await doran.evaluate((url) => window.probe(url), url);
  expect([first.info.outdated, second.info.outdated, second.info.load.bytesDownloaded]).toEqual([false, false, 0]);
  rmSync(path);
  makeGguf(path, { mib: 64, seed: 8 });
  const third = await doran.evaluate((url) => window.probe(url), url);
  expect(third).toMatchObject({ logits: first.logits, info: { outdated: true, load: { bytesDownloaded: 0 } } });
  const fourth = await doran.evaluate((url) => window.probe(url, { update: true }), url);
  expect(fourth.info).toMatchObject({ outdated: false, load: { bytesDownloaded: statSync(path).size } });
  expect(fourth.logits).not.toEqual(first.logits);
  const fifth = await doran.evaluate((url) => window.probe(url, { update: true }), url);
  expect(fifth).toMatchObject({ logits: fourth.logits, info: { load: { bytesDownloaded: 0 } } });
  rmSync(path);
});

test("the real model, cut three times, answers as it does", async ({ doran, site }) => {
  const path = join(CACHE, "generated", "real.gguf");
  rmSync(path, { force: true });
  symlinkSync(REAL.path, path);
  site.faults.reset();
  const url = `${site.faults.url}/real.gguf?cut=11&cuts=3&cutmax=${30 * MIB}`;
  const seen = await doran.evaluate(async ({ url, sha256 }) => {
    const engine = await window.doran.Engine.load(url, { sha256, name: "real" });
    const { text } = await window.read(engine.generate([{ role: "user", content: "What is the capital of France?" }], { maxTokens: 12, temperature: 0 }));
    await engine.unload();
    await window.doran.Engine.storage.delete("real");
    return { text, integrity: engine.info.integrity, bytes: engine.info.load.bytesDownloaded };
  }, { url, sha256: REAL.sha256 });
  expect(seen).toMatchObject({ integrity: "verified", bytes: statSync(path).size });
  expect(seen.text).toContain("Paris");
  expect(site.faults.bytes()).toBeLessThanOrEqual(statSync(path).size + 3 * 8 * MIB);
  rmSync(path);
});
