/** Malformed GGUF files end as their index says, in the browser, each in little time, and leave the page able to load a good one. */
import { join } from "node:path";
import { build } from "../../scripts/build.mjs";
import { openBrowser } from "../../scripts/eval.mjs";
import { pageSite } from "../../scripts/lib/site.mjs";
import { entry, options } from "../../scripts/lib/util.mjs";
import { readJson, Report, ZOO } from "./lib.mjs";

/** What a file may take, as seen; the test's own limit is five times that, for a loaded machine. */
const LIMIT_MS = 2000;
const HANG_MS = 5 * LIMIT_MS;

const within = (promise, ms) => Promise.race([promise, new Promise((done) => { setTimeout(() => done({ hang: true }), ms); })]);

/** How a load that was to end in a certain way did end. `chat` says what the template gave, `logits` what the model gave. */
const ENDINGS = {
  accept: ({ load, chat, logits }) => load.load_error === undefined && (chat.error === undefined || chat.error.code === "template") && logits.error === undefined,
  reject: ({ load }) => load.load_error !== undefined && load.load_error.code !== "internal",
  "template-error": ({ load, chat }) => load.load_error === undefined && chat.error?.code === "template",
  "load-then-error": ({ load, logits }) => load.load_error?.code === "non_finite_weights" || logits.error?.code === "non_finite",
};
const either = (case_) => ENDINGS.accept(case_) || ENDINGS.reject(case_);
const ending = (expect) => ENDINGS[expect] ?? either;

async function endOf(page, url) {
  const call = (name, ...args) => within(page.evaluate(([f, a]) => globalThis.evaluation[f](...a), [name, args]), HANG_MS);
  const begun = Date.now();
  const load = await call("load", { url }, { store: false });
  const ms = Date.now() - begun;
  const skipped = { error: { code: "not loaded" } };
  if (load.load_error !== undefined || load.hang) return { load, ms, chat: skipped, logits: skipped };
  const chat = await call("answer", { kind: "chat_template", messages: [{ role: "user", content: "x" }] });
  const logits = await call("answer", { kind: "logits", input_ids: [1, 2, 3] });
  return { load, ms, chat, logits };
}

entry(async () => {
  const opts = options(process.argv.slice(2), ["no-build"]);
  if (!opts["no-build"]) await build({ demo: false });
  const report = new Report();
  const site = await pageSite({ script: "eval.js", folder: join(ZOO, "bad") });
  const browser = await openBrowser(opts.chrome, site.address);
  let slowest = 0;
  for (const { file, expect } of readJson("bad", "index.json").cases.filter(({ file: name }) => name.endsWith(".gguf"))) {
    const result = await endOf(browser.page, `/model/${file}`);
    const hang = [result.load, result.chat, result.logits].some((part) => part.hang);
    slowest = Math.max(slowest, result.ms);
    report.check(`${file}: ends`, !hang);
    report.check(`${file}: ${expect}`, !hang && ending(expect)(result), JSON.stringify(result).slice(0, 400));
    if (hang) await browser.open();
  }
  const good = await endOf(browser.page, "/model/control_ok.gguf");
  report.check("a good file loads after all of them", ENDINGS.accept(good));
  await browser.close();
  await site.close();
  console.log(`slowest: ${slowest} ms`);
  console.log(`${report.passed} passed, ${report.failed} failed`);
  if (report.failed > 0) process.exitCode = 1;
});
