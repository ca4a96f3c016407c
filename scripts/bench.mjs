/**
 * `npm run bench [-- --model FILE] [--runs N] [--out FILE.json] [--only ceilings,speed,load] [--no-build] [--peers [--timeout SECONDS]]`
 *
 * Measures in headless Chromium: what the adapter can do at most, prompts and answers of several lengths, loading, and exact counts.
 * Writes a result (`benches/README.md` has its shape) and a table of it into `benches/results`, and prints the table. `--peers`
 * measures wllama and transformers.js too, each run in a browser of its own between doran's runs; one that takes longer than
 * `--timeout` is a row that says so.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { browserOf, problems, SCHEMA } from "../benches/result.mjs";
import { build } from "./build.mjs";
import { fileName, markdown, perToken, speeds, withShares } from "./lib/bench-table.mjs";
import { openPage, settled } from "./lib/chromium.mjs";
import { describe, installPeers, onnxOf, peerRun, PEERS, placeOf } from "./lib/peers.mjs";
import { packageVersion, pageSite } from "./lib/site.mjs";
import { entry, options, Plain, ROOT, say } from "./lib/util.mjs";
import { defaultModel } from "./model.mjs";

/** Prompt and answer lengths. */
const CASES = {
  short: { promptTokens: 42, decodeTokens: 32 },
  middle: { promptTokens: 128, decodeTokens: 0 },
  long: { promptTokens: 475, decodeTokens: 64 },
  context1k: { promptTokens: 1000, decodeTokens: 32 },
};
/** What peers are measured at, in this order: the first warms them up as it does doran. */
const PEER_CASES = [CASES.short, CASES.long];
const PARTS = ["ceilings", "speed", "load"];

/** A browser on a profile that the caller keeps, as a user who comes back has it. */
async function withPage(site, profile, work) {
  const opened = await openPage({ profile });
  try {
    await opened.page.goto(site.address);
    await opened.page.waitForFunction(() => globalThis.bench !== undefined);
    await settled();
    return await work(opened.page);
  } finally {
    await opened.close();
  }
}

/** The adapter and the browser, by what the page says of them. */
async function deviceOf(page) {
  const { userAgent, adapter } = await page.evaluate(async () => {
    const found = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!found) throw new Error("WebGPU gives no adapter");
    const { vendor, architecture, device, description, isFallbackAdapter } = found.info;
    const features = [...found.features].sort();
    return { userAgent: navigator.userAgent, adapter: { vendor, architecture, device, description, isFallback: isFallbackAdapter === true, features } };
  });
  return { adapter, browser: browserOf(userAgent) };
}

const loadOf = ({ ms, info: { load: { bytesDownloaded, bytesFromStore, times } } }) => ({ ms, bytesDownloaded, bytesFromStore, times });

/** The peers, ready to be run: `run(name)` gives a row. */
async function peersOf(model, seconds) {
  await installPeers();
  const onnx = await onnxOf(model);
  if (onnx.failed !== undefined) say(`transformers.js is not measured: ${onnx.failed}`);
  return {
    rows: Object.fromEntries(Object.entries(PEERS).map(([name, peer]) => [name, { ...describe(peer, model), runs: [] }])),
    run: async (name) => {
      const peer = PEERS[name];
      if (peer.onnx === true && onnx.failed !== undefined) return { prefill: [], decode: [], failed: onnx.failed };
      return peerRun(peer, { ...placeOf(peer, model, onnx.folder), cases: PEER_CASES, seconds });
    },
  };
}

export async function bench({ model, runs, only = PARTS, peers: asked, seconds }) {
  const wants = (part) => only.includes(part);
  const peers = asked ? await peersOf(model, seconds) : undefined;
  const site = await pageSite({ script: "bench.js", model });
  const profile = mkdtempSync(join(tmpdir(), "doran-bench-"));
  const result = { schema: SCHEMA, version: packageVersion(), date: new Date().toISOString(), runs, loadAverage: loadavg()[0] };
  const load = (page) => page.evaluate((source) => globalThis.bench.load(source), site.source.url ?? site.source);
  const speed = (page, lengths) => page.evaluate((wanted) => globalThis.bench.speed(wanted), lengths);
  try {
    await withPage(site, profile, async (page) => {
      result.device = await deviceOf(page);
      if (wants("ceilings")) result.ceilings = await page.evaluate(() => globalThis.bench.ceilings());
      if (!wants("speed") && !wants("load")) return;
      const cold = await load(page);
      const { info: { parameters, load: { bytesDownloaded, gpuBytes, peakWasmBytesGrown } } } = cold;
      result.model = { name: basename(model), bytes: bytesDownloaded, ...(parameters === undefined ? {} : { parameters }) };
      result.load = { cold: loadOf(cold) };
      result.memory = { gpuBytes, peakWasmBytesGrown };
      if (!wants("speed")) return;
      const times = Object.fromEntries(Object.keys(CASES).map((name) => [name, []]));
      for (let run = 0; run < runs; run += 1) {
        for (const [name, lengths] of Object.entries(CASES)) {
          say(`run ${run + 1} of ${runs}: ${name}`);
          times[name].push(await speed(page, lengths));
        }
        for (const [name, { runs: rows }] of Object.entries(peers?.rows ?? {})) {
          say(`run ${run + 1} of ${runs}: ${name}`);
          rows.push(await peers.run(name));
        }
      }
      Object.assign(result, speeds(CASES, times));
      const without = await speed(page, { ...CASES.short, decodeTokens: 0 });
      result.countersPerToken = perToken(without.counts, times.short.at(-1).counts, CASES.short.decodeTokens);
      const kernels = await page.evaluate((context) => globalThis.bench.profile(context), CASES.long.promptTokens);
      result.kernels = result.ceilings === undefined ? kernels : withShares(kernels, result.ceilings);
      result.tuning = (await page.evaluate(() => globalThis.bench.stats())).tuning;
      if (peers !== undefined) result.peers = peers.rows;
    });
    if (wants("load")) result.load.warm = loadOf(await withPage(site, profile, load));
  } finally {
    await site.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return result;
}

/** Where a result goes: never over an older one of the same day. */
function freePlace(name) {
  const folder = join(ROOT, "benches/results");
  for (let i = 1; ; i += 1) {
    const path = join(folder, `${name}${i === 1 ? "" : `-${i}`}.json`);
    if (!existsSync(path)) return path;
  }
}

if (process.argv[1] === import.meta.filename) {
  entry(async () => {
    const opts = options(process.argv.slice(2), ["no-build", "peers"]);
    if (opts._.length > 0) throw new Plain(`what is ${opts._.join(" ")}? --peers takes no folder; the peers are in benches/peers`);
    const runs = Number(opts.runs ?? 3);
    if (!Number.isInteger(runs) || runs < 1) throw new Plain("--runs wants a whole number from 1 on");
    const seconds = Number(opts.timeout ?? 300);
    if (!(seconds > 0)) throw new Plain("--timeout wants seconds");
    const only = opts.only?.split(",");
    const unknown = only?.filter((part) => !PARTS.includes(part)) ?? [];
    if (unknown.length > 0) throw new Plain(`--only knows ${PARTS.join(", ")}, not ${unknown.join(", ")}`);
    if (opts.peers === true && only?.includes("speed") === false) throw new Plain("--peers are measured with speed: leave --only out, or add it");
    if (opts.out?.endsWith(".json") === false) throw new Plain("--out wants the name of a .json file; the table is written beside it");
    if (opts["no-build"] !== true) await build({ demo: false });
    const model = opts.model === undefined ? await defaultModel() : resolve(opts.model);
    if (opts.peers === true && !model.endsWith(".gguf")) throw new Plain("--peers wants a model in one GGUF file");
    const result = await bench({ model, runs, only, peers: opts.peers === true, seconds });
    const wrong = problems(result);
    if (wrong.length > 0) say(`the result is not of the shape that benches/README.md has: ${wrong.join("; ")}`);
    const table = markdown(result);
    say(table);
    const out = opts.out === undefined ? freePlace(fileName(result)) : resolve(opts.out);
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, `${JSON.stringify(result, null, 1)}\n`);
    writeFileSync(out.replace(/\.json$/, ".md"), table);
    say(`all figures: ${out}`);
    if (wrong.length > 0) process.exitCode = 1;
  });
}
