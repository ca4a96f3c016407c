/**
 * `npm start`: brings what is missing, builds, and serves the demo on localhost.
 * `npm start -- --prompt "…"`: the same job without a window, the answer on the terminal.
 * Further options: --model <file | folder | URL>, --port N, --max-tokens N, --temperature T, --chrome PATH, --no-build.
 */
import { build } from "./build.mjs";
import { openPage } from "./lib/chromium.mjs";
import { demoServer } from "./lib/demo.mjs";
import { pageSite } from "./lib/site.mjs";
import { FOR, need, needNodeModules } from "./lib/toolchain.mjs";
import { entry, options, Plain, say } from "./lib/util.mjs";
import { defaultModel, MODEL } from "./model.mjs";

const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** A line that replaces itself on a terminal, and is left out elsewhere. */
function showProgress({ phase, loadedBytes, totalBytes, bytesPerSecond }) {
  if (!process.stderr.isTTY) return;
  const amount = totalBytes > 0 ? ` ${mb(loadedBytes)} of ${mb(totalBytes)}, ${mb(bytesPerSecond)}/s` : "";
  process.stderr.write(`\r\x1b[K${phase === "ready" ? "" : `${phase}${amount}`}`);
}

function adapterName(adapter) {
  const words = [adapter?.vendor, adapter?.architecture, adapter?.device, adapter?.description].filter(Boolean);
  return words.length === 0 ? "no GPU adapter" : `${words.join(" ")}${adapter.isFallback ? " (software)" : ""}`;
}

async function answer(opts, model) {
  const site = await pageSite({ script: "prompt.js", model, ...(opts.package === undefined ? {} : { packageDir: opts.package }) });
  const { page, close } = await openPage({ path: opts.chrome });
  try {
    await page.exposeFunction("tell", (kind, what) => {
      if (kind === "text") process.stdout.write(what);
      else showProgress(what);
    });
    await page.goto(site.address);
    await page.waitForFunction(() => globalThis.answer !== undefined);
    const result = await page.evaluate((request) => globalThis.answer(request), {
      source: site.source, prompt: opts.prompt, maxTokens: Number(opts["max-tokens"] ?? 256), temperature: Number(opts.temperature ?? 0),
    });
    if (result.error !== undefined) throw new Plain(`${result.error.code}: ${result.error.message}`);
    const { loadMs, prefillTps, decodeTps, adapter, usage } = result;
    process.stdout.write(`\n\n${decodeURIComponent(result.name.split("/").at(-1))}: loaded in ${(loadMs / 1000).toFixed(1)} s, prefill ${prefillTps.toFixed(1)} tok/s (${usage.promptTokens} tokens), `
      + `decode ${decodeTps.toFixed(1)} tok/s (${usage.completionTokens} tokens), ${adapterName(adapter)}\n`);
  } finally {
    await close();
    await site.close();
  }
}

entry(async () => {
  const opts = options(process.argv.slice(2), ["no-build"]);
  const headless = opts.prompt !== undefined;
  await needNodeModules();
  await need(headless ? [...FOR.build, ...FOR.browse] : FOR.build);
  if (opts["no-build"] !== true) await build({ demo: !headless });
  const model = opts.model ?? await defaultModel();
  if (headless) {
    await answer(opts, model);
    return;
  }
  const { address } = await demoServer({
    model, port: Number(opts.port ?? 8080), ...(opts.model === undefined ? { sha256: MODEL.sha256 } : {}), ...(opts.site === undefined ? {} : { dir: opts.site }),
  });
  say("the demo is served until you press Ctrl-C; open it in a browser with WebGPU (Chrome, Edge, Safari 26, Firefox 141):");
  console.log(address);
});
