/**
 * `npm run bench [-- --model FILE] [--runs N] [--out FILE] [--only ceilings,speed,load] [--no-build] [--peers DIR [--onnx DIR]]`
 *
 * Measures in headless Chromium: what the adapter can do at most, prompts and answers of several lengths,
 * loading, and exact counts. Prints a table and stores everything as JSON. `--peers` names a folder with a `bench.mjs` that
 * measures other packages (`--peer NAME --model FILE --json`); their runs are then interleaved with doran's. `--onnx` names the same
 * model as `scripts/smollm2-onnx.py` makes it for transformers.js, which is then measured on WebGPU too.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "./build.mjs";
import { openPage } from "./lib/chromium.mjs";
import { packageVersion, pageSite } from "./lib/site.mjs";
import { entry, options, CACHE, Plain, say } from "./lib/util.mjs";
import { defaultModel } from "./model.mjs";

/** Prompt and answer lengths. `long` is the one that peers are compared at. */
const CASES = {
  short: { promptTokens: 42, decodeTokens: 32 },
  middle: { promptTokens: 128, decodeTokens: 0 },
  long: { promptTokens: 475, decodeTokens: 64 },
  context1k: { promptTokens: 1000, decodeTokens: 32 },
};
const PEERS = [
  { name: "wllama-st" },
  { name: "wllama-mt", options: ["--opt", "threads=2"] },
  // Some seconds a token on SwiftShader: few tokens, and in the first run only.
  { name: "tjs-webgpu", options: ["--tokens", "5", "--no-warm"], onnx: true, seconds: 600 },
];

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const summary = (values) => ({ best: Math.max(...values), median: median(values), all: values });
const rounded = (value, digits = 1) => Number(value.toFixed(digits));

/** The part of a kernel's time that the adapter takes at least for what it reads, or for what it multiplies if that is more. */
function shareOfCeiling({ ms, weightBytes, kvBytes, multiplyAdds }, { vec4LoadsPerSecond, bytesReadPerSecond, fmaPerSecond }) {
  const bytes = weightBytes + kvBytes;
  const least = Math.max(bytes / 16 / vec4LoadsPerSecond, bytes / bytesReadPerSecond, multiplyAdds / fmaPerSecond);
  return least === 0 ? undefined : least * 1000 / ms;
}

/** A browser on a profile of its own; `reopen` keeps the profile, as a user who comes back has it. */
async function withPage(site, profile, work) {
  const opened = await openPage({ profile });
  try {
    await opened.page.goto(site.address);
    await opened.page.waitForFunction(() => globalThis.bench !== undefined);
    return await work(opened.page);
  } finally {
    await opened.close();
  }
}

/** One row of a peer, measured by the harness; how it failed in the place of its figures; nothing where it does not run here. */
function peer(harness, model, { name, options: more = [], seconds }) {
  const ran = spawnSync(process.execPath, ["bench.mjs", "--peer", name, "--model", model, "--json", "--runs", "1", "--sets", "long", ...more], {
    cwd: harness, encoding: "utf8", maxBuffer: 1 << 26, ...(seconds === undefined ? {} : { timeout: seconds * 1000 }),
  });
  // The harness ends its browser when it is told to stop, and writes what it has until then.
  const row = JSON.parse(ran.stdout?.split("\n").find((text) => text.startsWith("{")) ?? "null");
  if (ran.error?.code === "ETIMEDOUT") return { ...row, failed: `did not finish within ${seconds} s` };
  if (row === null) {
    say(`${name} did not run: ${(ran.stderr ?? "").trim().split("\n").at(-1)}`);
    return undefined;
  }
  if (row.long?.ok === true && Number.isFinite(row.long.decodeTps)) return row;
  return { ...row, failed: row.harnessError ?? row.long?.error?.message ?? row.cold?.error?.message ?? "gave no figures" };
}

export async function bench({ model, runs, only, harness, onnx }) {
  const wants = (part) => only === undefined || only.includes(part);
  const site = await pageSite({ script: "bench.js", model });
  const profile = mkdtempSync(join(tmpdir(), "doran-bench-"));
  const result = { version: packageVersion(), date: new Date().toISOString(), loadAverage: loadavg()[0], runs };
  const times = Object.fromEntries(Object.keys(CASES).map((name) => [name, []]));
  const peers = {};
  try {
    await withPage(site, profile, async (page) => {
      if (wants("ceilings")) result.ceilings = await page.evaluate(() => globalThis.bench.ceilings());
      if (!wants("speed") && !wants("load")) return;
      const { ms, info } = await page.evaluate((source) => globalThis.bench.load(source), site.source.url);
      result.cold = { ms, ...info.load };
      result.adapter = info.adapter;
      if (!wants("speed")) return;
      for (let run = 0; run < runs; run += 1) {
        for (const [name, lengths] of Object.entries(CASES)) {
          say(`run ${run + 1} of ${runs}: ${name}`);
          times[name].push(await page.evaluate((l) => globalThis.bench.speed(l), lengths));
        }
        for (const one of harness === undefined ? [] : PEERS) {
          if (one.onnx === true && (onnx === undefined || run > 0)) continue;
          say(`run ${run + 1} of ${runs}: ${one.name}`);
          const row = peer(harness, one.onnx === true ? onnx : model, one);
          if (row !== undefined) (peers[one.name] ??= []).push(row);
        }
      }
      result.kernels = await page.evaluate((context) => globalThis.bench.profile(context), CASES.long.promptTokens);
      result.tuning = (await page.evaluate(() => globalThis.bench.stats())).tuning;
    });
    if (wants("load")) {
      result.warm = await withPage(site, profile, (page) => page.evaluate((source) => globalThis.bench.load(source), site.source.url));
    }
  } finally {
    await site.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  if (wants("speed")) {
    result.speed = Object.fromEntries(Object.entries(times).map(([name, all]) => {
      const decoded = all.map((one) => one.decodeTps).filter((tps) => tps !== undefined);
      return [name, {
        ...CASES[name], prefillTps: summary(all.map((one) => one.prefillTps)),
        ...(decoded.length === 0 ? {} : { decodeTps: summary(decoded) }), counts: all.at(-1).counts,
      }];
    }));
  }
  if (Object.keys(peers).length > 0) result.peers = peers;
  if (result.kernels !== undefined && result.ceilings !== undefined) {
    result.kernels = result.kernels.map((kernel) => ({ ...kernel, share: shareOfCeiling(kernel, result.ceilings) }));
  }
  return result;
}

/** The figures for people. */
function print({ ceilings, cold, warm, speed, kernels, peers, loadAverage }) {
  say(`load average before: ${loadAverage.toFixed(2)}`);
  if (ceilings !== undefined) {
    say(`ceilings: ${rounded(ceilings.vec4LoadsPerSecond / 1e6)} M vec4 loads/s, ${rounded(ceilings.bytesReadPerSecond / 1e9, 2)} GB/s read, `
      + `${rounded(ceilings.bytesCopiedPerSecond / 1e9, 2)} GB/s copied, ${rounded(ceilings.fmaPerSecond / 1e9)} G fma/s, `
      + `${rounded(ceilings.microsPerDispatch)} µs a dispatch, ${rounded(ceilings.microsPerRoundTrip)} µs a round trip`);
  }
  if (cold !== undefined) say(`load: cold ${rounded(cold.ms / 1000, 2)} s${warm === undefined ? "" : `, warm ${rounded(warm.ms / 1000, 2)} s`}`);
  for (const { rows, kernel, dispatches, ms, share } of kernels ?? []) {
    say(`${rows === 1 ? "a token" : `${rows} tokens`}: ${rounded(ms, 2)} ms in ${dispatches} of ${kernel}`
      + (share === undefined ? "" : `, ${rounded(share * 100, 0)} % of the ceiling`));
  }
  for (const [name, { promptTokens, decodeTokens, prefillTps, decodeTps }] of Object.entries(speed ?? {})) {
    say(`${name}: ${promptTokens} + ${decodeTokens} tokens: prefill ${rounded(prefillTps.best)} tok/s (median ${rounded(prefillTps.median)})`
      + (decodeTps === undefined ? "" : `, decode ${rounded(decodeTps.best)} (median ${rounded(decodeTps.median)})`));
  }
  // Medians against medians of the same run: what else the machine does meets both.
  for (const [name, rows] of Object.entries(peers ?? {})) {
    for (const { failed } of rows) if (failed !== undefined) say(`${name}: ${failed}`);
    const measured = rows.filter(({ failed }) => failed === undefined);
    if (measured.length === 0) continue;
    const [prefill, decode] = ["prefillTps", "decodeTps"].map((key) => median(measured.map((row) => row.long[key])));
    say(`${name}: prefill ${rounded(prefill)} tok/s, decode ${rounded(decode)}; doran takes `
      + `${rounded(speed.long.prefillTps.median / prefill, 2)} times as many of a prompt, ${rounded(speed.long.decodeTps.median / decode, 2)} of an answer`);
  }
}

if (process.argv[1] === import.meta.filename) {
  entry(async () => {
    const opts = options(process.argv.slice(2), ["no-build"]);
    if (opts["no-build"] !== true) await build({ demo: false });
    const runs = Number(opts.runs ?? 3);
    if (!Number.isInteger(runs) || runs < 1) throw new Plain("--runs wants a whole number from 1 on");
    if (opts.onnx !== undefined && opts.peers === undefined) throw new Plain("--onnx is the model of a peer: say --peers DIR too");
    if (opts.onnx !== undefined && !existsSync(join(opts.onnx, "onnx/model_q4.onnx"))) {
      throw new Plain(`${opts.onnx} has no onnx/model_q4.onnx; scripts/smollm2-onnx.py makes it`);
    }
    const model = opts.model === undefined ? await defaultModel() : resolve(opts.model);
    const result = await bench({ model, runs, only: opts.only?.split(","), harness: opts.peers, onnx: opts.onnx && resolve(opts.onnx) });
    print(result);
    const out = resolve(opts.out ?? join(CACHE, `bench/${result.date.slice(0, 19).replaceAll(":", "-")}.json`));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, `${JSON.stringify(result, null, 1)}\n`);
    say(`all figures: ${out}`);
  });
}
