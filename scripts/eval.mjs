/**
 * `npm run --silent eval -- --model <gguf file | Hugging Face folder | URL> --requests in.json --out out.json
 *   [--backend webgpu|reference] [--context N] [--kv auto|f32|f16] [--chrome PATH] [--no-build]`
 *
 * Runs the built package in headless Chromium and answers a list of requests (scripts/page/eval.js has the kinds). A request
 * that fails is an error object in its place; a model that does not load is `{"load_error"}` and exit code 2.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { openPage } from "./lib/chromium.mjs";
import { packageBytes } from "./lib/package.mjs";
import { pageSite } from "./lib/site.mjs";
import { needNodeModules } from "./lib/toolchain.mjs";
import { entry, options, Plain, ROOT, say } from "./lib/util.mjs";

/** After these the engine is gone: the next request gets a new one. */
const FATAL = new Set(["unloaded", "device_lost", "internal"]);

/** One browser with the page of scripts/page/eval.js, on a disk profile that is thrown away: storage works as it does for users. */
export async function openBrowser(chrome, address) {
  const profile = mkdtempSync(join(tmpdir(), "doran-eval-"));
  const opened = await openPage({ path: chrome, profile });
  opened.page.on("console", (message) => { if (message.type() === "error") say(`page: ${message.text()}`); });
  opened.page.on("pageerror", (error) => say(`page: ${error.message}`));
  const open = async () => {
    await opened.page.goto(address);
    await opened.page.waitForFunction(() => globalThis.evaluation !== undefined);
  };
  await open();
  return {
    page: opened.page,
    open,
    close: async () => {
      await opened.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Answers `requests` by the model. Gives what the results file holds. */
export async function evaluate({ model, requests, packageDir = join(ROOT, "pkg"), chrome, loadOptions = {} }) {
  const site = await pageSite({ script: "eval.js", packageDir, model });
  const browser = await openBrowser(chrome, site.address);
  const { page } = browser;
  const load = () => page.evaluate(([source, opts]) => globalThis.evaluation.load(source, opts), [site.source, loadOptions]);
  try {
    const loaded = await load();
    if (loaded.load_error !== undefined) return loaded;
    const results = [];
    let gone = false;
    for (const request of requests) {
      if (gone) {
        await browser.open();
        const again = await load();
        gone = again.load_error !== undefined;
        if (gone) {
          results.push({ error: again.load_error });
          continue;
        }
      }
      const result = await page.evaluate((r) => globalThis.evaluation.answer(r), request)
        .catch((error) => ({ error: { code: "internal", message: `the page failed: ${error.message}` } }));
      results.push(result);
      gone = result.error !== undefined && FATAL.has(result.error.code);
    }
    return { results, ...loaded, package: { gzip_bytes: await packageBytes(packageDir) } };
  } finally {
    await browser.close();
    await site.close();
  }
}

function loadOptionsOf(opts) {
  const context = opts.context === undefined ? undefined : Number(opts.context);
  if (context !== undefined && !Number.isInteger(context)) throw new Plain("--context wants a whole number");
  return {
    ...(opts.backend === undefined ? {} : { backend: opts.backend }),
    ...(opts.kv === undefined ? {} : { kvCache: opts.kv }),
    ...(context === undefined ? {} : { context }),
  };
}

if (process.argv[1] === import.meta.filename) {
  entry(async () => {
    const opts = options(process.argv.slice(2), ["no-build"]);
    for (const name of ["model", "requests", "out"]) if (opts[name] === undefined) throw new Plain(`eval wants --${name}`);
    const requests = JSON.parse(readFileSync(opts.requests, "utf8"));
    if (!Array.isArray(requests)) throw new Plain(`${opts.requests} is not a list of requests`);
    if (opts["no-build"] !== true) await build({ demo: false });
    else await needNodeModules();
    const packageDir = opts.package;
    const out = await evaluate({
      model: opts.model, requests, chrome: opts.chrome, loadOptions: loadOptionsOf(opts), ...(packageDir === undefined ? {} : { packageDir }),
    });
    writeFileSync(opts.out, `${JSON.stringify(out)}\n`);
    if (out.load_error !== undefined) {
      say(`the model did not load: ${out.load_error.code}: ${out.load_error.message}`);
      process.exitCode = 2;
    }
  });
}
