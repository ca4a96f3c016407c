/** Firefox ESR, a second engine: its WebGPU is wgpu with naga, on lavapipe. All kernels against their references, and what a reader does. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFirefox } from "../../scripts/lib/firefox.mjs";
import { serve } from "../../scripts/lib/serve.mjs";
import { FOR, need } from "../../scripts/lib/toolchain.mjs";
import { CACHE, environment, Plain, ROOT } from "../../scripts/lib/util.mjs";
import { makeGguf } from "../../scripts/make-gguf.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";
import { serve as serveFaults } from "../e2e/server.mjs";
import { Report } from "../goldens/lib.mjs";

export const title = "Firefox ESR with WebGPU on lavapipe: every kernel, and loading, resuming, chatting, stopping, reloading, deleting";

const MIB = 1 << 20;
const KERNEL_PORT = 8137;
const QUESTION = [{ role: "user", content: "What is the capital of France?" }];

export async function run({ build, log }) {
  await need(FOR.second);
  await defaultModel();
  await build({ demo: false });
  const report = new Report();
  const kernels = await kernelSuite(log);
  report.check("the kernel suite", kernels.failed === 0 && kernels.passed > 50, kernels.said);
  const facts = await flows(report, log);
  return { passed: report.passed + kernels.passed, failed: report.failed + kernels.failed, kernels, ...facts };
}

/** The tests of `tests/web`, with every kernel; of linears and experts Chromium runs one in eight on each change. */
async function kernelSuite(log) {
  const built = spawnSync("cargo", ["test", "--target", "wasm32-unknown-unknown", "--test", "web", "--no-run", "--message-format=json"], { cwd: ROOT, encoding: "utf8", env: environment({ DORAN_WHOLE: "1" }), maxBuffer: 1 << 28 });
  const artifacts = built.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const wasm = artifacts.find(({ executable, target }) => target?.name === "web" && executable)?.executable;
  if (wasm === undefined) throw new Plain(`the tests were not built: ${built.stderr.slice(-2000)}`);
  const env = { NO_HEADLESS: "1", WASM_BINDGEN_TEST_ADDRESS: `127.0.0.1:${KERNEL_PORT}`, WASM_BINDGEN_USE_BROWSER: "1", WASM_BINDGEN_TEST_TIMEOUT: "7200" };
  const server = spawn("wasm-bindgen-test-runner", [wasm], { cwd: ROOT, env: environment(env), stdio: ["ignore", "ignore", "inherit"] });
  const browser = await openFirefox();
  try {
    await answers(`http://127.0.0.1:${KERNEL_PORT}/`);
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${KERNEL_PORT}/`);
    let text = "";
    for (let said = ""; !/test result: /.test(text); ) {
      await new Promise((later) => { setTimeout(later, 2000); });
      text = await page.evaluate(() => document.body.innerText);
      const last = text.trim().split("\n").at(-1);
      if (last !== said) log(last);
      said = last;
    }
    const [, passed, failed] = /(\d+) passed; (\d+) failed/.exec(text) ?? [];
    return { passed: Number(passed), failed: Number(failed), said: text.split("\n").filter((line) => /FAIL|panicked|error/i.test(line)).join("\n").slice(0, 4000) };
  } finally {
    await browser.close();
    server.kill("SIGINT");
  }
}

/** Waits until a server answers. */
async function answers(url) {
  for (let tries = 0; tries < 120; tries += 1) {
    if (await fetch(url).then(() => true, () => false)) return;
    await new Promise((later) => { setTimeout(later, 500); });
  }
  throw new Plain(`nobody answers at ${url}`);
}

const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
import * as doran from "/pkg/dist/index.js";
window.doran = doran;
window.read = async (generation, until = Infinity) => {
  let text = "", tokens = 0;
  for await (const item of generation) {
    text += item.text;
    if (item.finishReason === undefined && ++tokens >= until) break;
  }
  return text;
};
document.title = "ready";
</script>`;

/** What a reader does, on the real model and, where connections must break, on a generated one. */
async function flows(report, log) {
  const generated = join(CACHE, "generated");
  const noise = join(generated, "noise-64.gguf");
  if (statSync(noise, { throwIfNoEntry: false }) === undefined) makeGguf(noise, { mib: 64, seed: 7 });
  const faults = await serveFaults(generated);
  const site = await serve({
    mounts: { "/pkg/": join(ROOT, "pkg"), "/models/": process.env.DORAN_MODELS ?? join(CACHE, "models") },
    csp: `default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-inline'; connect-src 'self' ${faults.url}`,
    handle: (request, response) => {
      if (request.url !== "/") return false;
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
      return true;
    },
  });
  const profile = mkdtempSync(join(tmpdir(), "doran-firefox-"));
  let browser = await openFirefox({ profile });
  const opened = async () => {
    const page = await browser.newPage();
    await page.goto(`${site.address}/`);
    await page.waitForFunction(() => document.title === "ready");
    return page;
  };
  /** A step that fails says so, and the others go on. */
  const step = async (name, work) => {
    try {
      const facts = await work();
      log(`${name}: ${JSON.stringify(facts)}`);
      return facts;
    } catch (error) {
      report.check(name, false, String(error));
      return {};
    }
  };
  const all = {};
  try {
    let page = await opened();
    const url = `/models/${MODEL.file}`;
    all.loaded = await step("load", async () => {
      const info = await page.evaluate(async ({ url, sha256 }) => {
        window.engine = await window.doran.Engine.load(url, { sha256, name: "real" });
        const { integrity, load, adapter, warnings } = window.engine.info;
        return { integrity, downloaded: load.bytesDownloaded, ms: load.ms, adapter: adapter.description, features: adapter.features, warnings, tuning: (await window.engine.stats()).tuning };
      }, { url, sha256: MODEL.sha256 });
      report.check("load", info.integrity === "verified", JSON.stringify(info));
      return info;
    });
    all.chat = await step("chat", async () => {
      const seen = await page.evaluate(async (messages) => {
        const begun = performance.now();
        const text = await window.read(window.engine.generate(messages, { maxTokens: 12, temperature: 0 }));
        return { text, ms: performance.now() - begun };
      }, QUESTION);
      report.check("chat", seen.text.includes("Paris"), seen.text);
      return seen;
    });
    all.stop = await step("stop", async () => {
      const seen = await page.evaluate(async (messages) => {
        const controller = new AbortController();
        const running = window.read(window.engine.generate(messages, { maxTokens: 200, ignoreEos: true, signal: controller.signal })).then(() => "finished", (error) => error.name);
        setTimeout(() => controller.abort(), 1500);
        const how = await running;
        const left = await window.read(window.engine.generate(messages, { temperature: 0 }), 3);
        const after = await window.read(window.engine.generate(messages, { maxTokens: 12, temperature: 0 }));
        return { how, left, after };
      }, QUESTION);
      report.check("stop", seen.how === "AbortError" && seen.after === all.chat?.text, JSON.stringify(seen));
      return seen;
    });
    await page.close();
    all.reload = await step("reload", async () => {
      await browser.close();
      browser = await openFirefox({ profile });
      page = await opened();
      const seen = await page.evaluate(async (messages) => {
        const engine = await window.doran.Engine.load("real");
        const text = await window.read(engine.generate(messages, { maxTokens: 12, temperature: 0 }));
        await engine.unload();
        return { text, downloaded: engine.info.load.bytesDownloaded, ms: engine.info.load.ms };
      }, QUESTION);
      report.check("reload", seen.text === all.chat?.text && seen.downloaded === 0, JSON.stringify(seen));
      return seen;
    });
    all.resume = await step("resume", async () => {
      const address = `${faults.url}/noise-64.gguf?cut=3&cuts=6&cutmax=${12 * MIB}&slow=${24 * MIB}`;
      await page.evaluate((url) => new Promise((half) => {
        void window.doran.Engine.load(url, { name: "resumed", onProgress: ({ loadedBytes }) => { if (loadedBytes > 40 * 2 ** 20) half(); } });
      }), address);
      await page.close();
      page = await opened();
      const seen = await page.evaluate(async (url) => {
        const [stored] = (await window.doran.Engine.storage.list()).filter(({ name }) => name === "resumed");
        const engine = await window.doran.Engine.load(url, { name: "resumed" });
        await engine.unload();
        return { stored: stored?.storedBytes, downloaded: engine.info.load.bytesDownloaded, checked: await window.doran.Engine.storage.verify("resumed") };
      }, address);
      const whole = seen.stored + seen.downloaded === statSync(noise).size;
      report.check("resume", whole && seen.stored >= 16 * MIB && seen.checked.damaged === 0, JSON.stringify(seen));
      return seen;
    });
    all.delete = await step("delete", async () => {
      const seen = await page.evaluate(async () => {
        for (const { name } of await window.doran.Engine.storage.list()) await window.doran.Engine.storage.delete(name);
        return { left: await window.doran.Engine.storage.list() };
      });
      report.check("delete", seen.left.length === 0, JSON.stringify(seen));
      return seen;
    });
    all.browser = await browser.version();
  } finally {
    await browser.close();
    await site.close();
    await faults.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return all;
}
