/**
 * The packages that `npm run bench -- --peers` measures beside doran: their pages are in benches/peers, each run has a browser and a
 * profile of its own, and an end.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { openPage, settled } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { ask, CACHE, hashOf, Plain, ROOT, run, step } from "./util.mjs";

const FOLDER = join(ROOT, "benches/peers");

const WLLAMA = { script: "wllama.js", package: "@wllama/wllama" };
const TRANSFORMERS = { script: "transformers.js", package: "@huggingface/transformers" };
/** Threads need a page that is isolated from others; the rest is measured as most pages are. */
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Each peer by the name of its row. `decodeTokens`: at most so many, where each takes seconds on a software adapter. */
export const PEERS = {
  "wllama-1-thread": { ...WLLAMA, device: "wasm", threads: 1 },
  "wllama-2-threads": { ...WLLAMA, device: "wasm", threads: 2, headers: ISOLATED },
  "transformers-wasm": { ...TRANSFORMERS, device: "wasm", threads: 1, onnx: true },
  "transformers-webgpu": { ...TRANSFORMERS, device: "webgpu", onnx: true, decodeTokens: 4 },
};

/** `npm ci` in benches/peers, when its lock file changed since or never. */
export async function installPeers() {
  const hash = hashOf([join(FOLDER, "package.json"), join(FOLDER, "package-lock.json")]);
  await step("peers", hash, [join(FOLDER, "node_modules")], () => run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: FOLDER, quiet: true }));
}

/** A Python that can make the ONNX export: the reader's, or one of our own with what requirements.txt names. */
async function python() {
  if (ask("python3", ["-c", "import gguf, numpy, onnx"]) !== undefined) return "python3";
  const home = join(CACHE, "onnx-python");
  const own = join(home, "bin/python");
  const wanted = join(FOLDER, "requirements.txt");
  await step("onnx-python", hashOf([wanted]), [own], async () => {
    await run("python3", ["-m", "venv", "--clear", home], { quiet: true });
    await run(own, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wanted], { quiet: true });
  });
  return own;
}

/** The model as transformers.js takes it, made by scripts/smollm2-onnx.py where it is not yet; or, in a sentence, why there is none. */
export async function onnxOf(model) {
  const script = join(ROOT, "scripts/smollm2-onnx.py");
  const folder = join(CACHE, "onnx", basename(model, ".gguf"));
  const { size, mtimeMs } = statSync(model);
  try {
    await step(`onnx-${basename(model, ".gguf")}`, hashOf([script], model, size, mtimeMs), [join(folder, "onnx/model_q4.onnx")], async () => {
      rmSync(folder, { recursive: true, force: true });
      await run(await python(), [script, model, folder], { quiet: true });
    });
    return { folder };
  } catch (error) {
    if (!(error instanceof Plain)) throw error;
    return { failed: `there is no ONNX export: ${error.message.trim().split("\n").at(-1)}` };
  }
}

/** What a row says of a peer beside its figures. */
export function describe({ package: name, device, threads, onnx }, model) {
  const { version } = JSON.parse(readFileSync(join(FOLDER, "node_modules", name, "package.json"), "utf8"));
  return { package: name, version, device, ...(threads === undefined ? {} : { threads }), model: onnx === true ? "ONNX, q4" : basename(model) };
}

/** `work`, unless it takes longer; then it rejects, and what still goes on is nobody's. */
async function within(seconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Plain(`did not finish within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first line of what went wrong in a page. */
const sentence = (error) => String(error?.message ?? error).split("\n")[0].replace(/^page\.\w+: (Error: )?/, "").slice(0, 300);

/**
 * One run of a peer: load, then each case, then a load in a browser started anew. Ends after twice `seconds` at the latest. What was
 * measured until a failure stays in the row beside `failed`.
 */
export async function peerRun(peer, { url, mounts, cases, seconds }) {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>peer</title><script type="module" src="/peers/${peer.script}"></script></html>`;
  const site = await serve({
    mounts: { "/peers/": FOLDER, ...mounts },
    headers: peer.headers,
    kept: ["/peers/node_modules/"],
    handle: (request, response) => {
      if (request.url !== "/") return false;
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...peer.headers }).end(html);
      return true;
    },
  });
  const profile = mkdtempSync(join(tmpdir(), "doran-peer-"));
  const row = { prefill: [], decode: [] };
  /** A browser with the peer loaded, and what is measured there. */
  const visit = async (measure) => {
    const { page, close } = await openPage({ profile });
    // The visit has one end, which is that of `within`.
    page.setDefaultTimeout(0);
    const crashed = new Promise((_, reject) => page.on("crash", () => reject(new Plain("the page crashed"))));
    const steps = async () => {
      await page.goto(site.address);
      await page.waitForFunction(() => globalThis.bench !== undefined);
      await settled();
      const loaded = await page.evaluate((options) => globalThis.bench.load(options), { url, device: peer.device, threads: peer.threads });
      await measure(loaded, page);
    };
    try {
      await within(seconds, Promise.race([steps(), crashed]));
    } finally {
      // A browser whose page never returns goes, too.
      await close();
    }
  };
  try {
    await visit(async ({ loadMs }, page) => {
      row.loadMs = loadMs;
      for (const { promptTokens, decodeTokens: wanted } of cases) {
        const decodeTokens = Math.min(wanted, peer.decodeTokens ?? wanted);
        const { prefillTps, decodeTps } = await page.evaluate((lengths) => globalThis.bench.speed(lengths), { promptTokens, decodeTokens });
        row.prefill.push({ promptTokens, tps: prefillTps });
        if (decodeTps !== undefined) row.decode.push({ context: promptTokens, tokens: decodeTokens, tps: decodeTps });
      }
    });
    await visit(({ loadMs }) => {
      row.warmMs = loadMs;
    });
  } catch (error) {
    row.failed = sentence(error);
  } finally {
    await site.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  // The row of a run that ended late must not change under the hands of who has it.
  return structuredClone(row);
}

/** The folders that a peer's page reads, and the address of its model. */
export function placeOf(peer, model, onnx) {
  if (peer.onnx !== true) return { url: `/model/${encodeURIComponent(basename(model))}`, mounts: { "/model/": dirname(model) } };
  return { url: `/onnx/${encodeURIComponent(basename(onnx))}`, mounts: { "/onnx/": dirname(onnx) } };
}

