/**
 * Each example is built as a reader would build it, on the packed package, and asked in Chromium under a strict policy: the model loads,
 * also after a load that failed, an answer comes, the conversation goes on.
 *
 * `node tests/examples.mjs [--fake] [--screenshots] [example …]`: with `--fake`, the stand-in of tests/fake-wasm in place of the engine,
 * whose answers are known and slow enough to be stopped. `--screenshots` puts pictures into .cache/screenshots/examples.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launchOptions } from "../scripts/lib/chromium.mjs";
import { buildFakePackage, installPacked } from "../scripts/lib/package.mjs";
import { serve, STRICT_CSP } from "../scripts/lib/serve.mjs";
import { CACHE, entry, filesUnder, options, ROOT, run } from "../scripts/lib/util.mjs";

const SOURCES = join(ROOT, "examples");
const WORK = join(CACHE, "examples");
const PICTURES = join(CACHE, "screenshots/examples");
const WAIT_MS = 120_000;
const DESKTOP = { width: 1100, height: 720 };
const PHONE = { width: 390, height: 760 };
const QUESTION = "What is the capital of France?";
/** The stand-in's pause before each character: an answer can be stopped. */
const PACE_MS = 40;
/** What the stand-in answers. */
const ECHO = `You said: ${QUESTION}`;

/** A chat template for the tiny model, which has none. */
const TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

/** `GGUF`, a version, and the counts of tensors and of metadata. */
const GGUF_HEADER_BYTES = 24;
const GGUF_METADATA_COUNT_AT = 16;
const GGUF_STRING = 8;
/** What tensors are aligned to: an entry of such a length moves them as a whole. */
const GGUF_ALIGNMENT = 32;

/** A GGUF file with a chat template as its first entry of metadata. */
function withTemplate(gguf) {
  const entryOf = (template) => {
    const string = (text) => [Buffer.from(BigUint64Array.of(BigInt(Buffer.byteLength(text))).buffer), Buffer.from(text)];
    return Buffer.concat([...string("tokenizer.chat_template"), Buffer.from(Uint32Array.of(GGUF_STRING).buffer), ...string(template)]);
  };
  // A comment of Jinja fills up what is missing.
  const bare = entryOf(`${TEMPLATE}{##}`).length;
  const added = entryOf(`${TEMPLATE}{#${" ".repeat((GGUF_ALIGNMENT - (bare % GGUF_ALIGNMENT)) % GGUF_ALIGNMENT)}#}`);
  const header = Buffer.from(gguf.subarray(0, GGUF_HEADER_BYTES));
  header.writeBigUInt64LE(header.readBigUInt64LE(GGUF_METADATA_COUNT_AT) + 1n, GGUF_METADATA_COUNT_AT);
  return Buffer.concat([header, added, gguf.subarray(GGUF_HEADER_BYTES)]);
}

/** Copies an example, gives it the packed package, and builds it where it has a build; gives the folder to serve or load. */
async function build(name, packageDir, fake) {
  const dir = join(WORK, fake ? "fake" : "real", name);
  rmSync(dir, { recursive: true, force: true });
  cpSync(join(SOURCES, name), dir, { recursive: true, filter: (path) => !/\/(node_modules|dist)$/.test(path) });
  await installPacked(packageDir, dir, `example-${fake ? "fake-" : ""}${name}`);
  const { scripts } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  if (scripts?.build === undefined) return dir;
  await run("npm", ["run", "--silent", "build", "--", "--logLevel", "error"], { cwd: dir, quiet: true });
  return join(dir, "dist");
}

/** An example as a page. `open(model)` gives the page with that model as its choice. */
async function openPageExample(dir, modelDir) {
  const { chromium } = await import("playwright-core");
  const site = await serve({ mounts: { "/model/": modelDir, "/": dir }, csp: STRICT_CSP });
  const browser = await chromium.launch(launchOptions());
  const page = await browser.newPage({ viewport: DESKTOP, deviceScaleFactor: 2 });
  return {
    page,
    open: (model) => page.goto(`${site.address}/?model=${encodeURIComponent(model)}`),
    close: async () => {
      await browser.close();
      await site.close();
    },
  };
}

/** The extension, with its popup in a tab. The model is a setting, and on a server of its own. */
async function openExtension(dir, modelDir) {
  const { chromium } = await import("playwright-core");
  const site = await serve({ mounts: { "/model/": modelDir } });
  const profile = join(WORK, "profile");
  rmSync(profile, { recursive: true, force: true });
  const { args, ...rest } = launchOptions();
  const context = await chromium.launchPersistentContext(profile, {
    ...rest, viewport: DESKTOP, deviceScaleFactor: 2, ignoreDefaultArgs: ["--disable-extensions"],
    args: [...args, "--disable-features=DisableLoadExtensionCommandLineSwitch", `--disable-extensions-except=${dir}`, `--load-extension=${dir}`],
  });
  const worker = context.serviceWorkers()[0] ?? await context.waitForEvent("serviceworker", { timeout: WAIT_MS });
  const page = context.pages()[0] ?? await context.newPage();
  return {
    page,
    open: async (model) => {
      await worker.evaluate((value) => chrome.storage.local.set({ model: value }), `${site.address}${model}`);
      await page.goto(new URL("popup.html", worker.url()).href);
    },
    close: async () => {
      await context.close();
      await site.close();
    },
  };
}

/** What a reader sees and does, by the names that screen readers say. */
class Reader {
  constructor(page) {
    this.page = page;
    this.load = page.getByRole("button", { name: "Load the model" });
    this.message = page.getByLabel("Message");
    this.send = page.getByRole("button", { name: "Send" });
    this.stop = page.getByRole("button", { name: "Stop" });
    this.log = page.getByRole("log", { name: "Conversation" });
    this.answers = this.log.locator(".assistant p");
    this.problem = page.getByRole("alert");
  }

  /** Waits until `condition` holds; fails with what the page says is wrong. */
  async until(what, condition) {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await this.page.waitForTimeout(20)) if (await condition()) return;
    throw new Error(`waited in vain for ${what}; the page says "${await this.problem.textContent()}"`);
  }

  /** Asks, and waits for the answer's first text. */
  async asks(text) {
    const before = await this.answers.count();
    await this.message.fill(text);
    await this.message.press("Enter");
    const answer = this.answers.nth(before);
    await this.until("an answer", async () => await answer.count() === 1 && await answer.textContent() !== "");
    return answer;
  }

  /** Waits for the answer's end. */
  async ends() {
    await this.until("the answer's end", () => this.send.isVisible());
    if (await this.problem.textContent() !== "") throw new Error(`the page says "${await this.problem.textContent()}"`);
    if (await this.log.getAttribute("aria-busy") === "true") throw new Error("the log is busy after the answer");
  }
}

/** A load that fails is a sentence. Once the model is there, trying again loads it. */
async function loads({ page, open }, { fake, model, atStart }) {
  const reader = new Reader(page);
  rmSync(model.path, { force: true });
  await open(fake ? `${model.url}?pace=${PACE_MS}` : model.url);
  await atStart();
  await reader.load.click();
  await reader.until("an error", async () => await reader.problem.textContent() !== "" && await reader.load.isVisible());
  if (await reader.message.isEnabled()) throw new Error("one can write to a model that is not there");
  writeFileSync(model.path, model.bytes);
  await reader.load.click();
  await reader.until("the model", () => reader.message.isEnabled());
  if (await reader.problem.textContent() !== "") throw new Error(`the page still says "${await reader.problem.textContent()}"`);
}

/** An answer to each of two questions, in one conversation. */
async function converses({ page }, fake) {
  const reader = new Reader(page);
  for (const turn of [1, 2]) {
    const answer = await reader.asks(QUESTION);
    await reader.ends();
    if (await reader.log.locator(".turn").count() !== 2 * turn) throw new Error(`after ${turn} questions there are ${await reader.log.locator(".turn").count()} turns`);
    const text = await answer.textContent();
    if (fake && text !== ECHO) throw new Error(`the answer is "${text}"`);
  }
}

/** What came of an answer that is stopped stays, and the next question is answered. */
async function stops({ page }) {
  const reader = new Reader(page);
  const answer = await reader.asks(QUESTION);
  await reader.stop.click();
  await reader.ends();
  const text = await answer.textContent();
  if (!ECHO.startsWith(text) || text === ECHO) throw new Error(`of an answer that was stopped there is "${text}"`);
  const next = await reader.asks("Hi");
  await reader.ends();
  if (await next.textContent() !== "You said: Hi") throw new Error(`the next answer is "${await next.textContent()}"`);
}

/** A popup that is closed and opened again finds the model loaded, and the conversation. */
async function comesBack({ page }) {
  const reader = new Reader(page);
  const before = await reader.log.textContent();
  await page.reload();
  await reader.until("the model", () => reader.message.isEnabled());
  if (await reader.log.textContent() !== before) throw new Error(`of "${before}" there is "${await reader.log.textContent()}"`);
  await reader.asks(QUESTION);
  await reader.ends();
}

/** Pictures of a page: on a desktop, and dark on a phone. */
async function photograph(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  for (const [size, viewport, colorScheme] of [["desktop", DESKTOP, "light"], ["phone", PHONE, "dark"]]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(PICTURES, `${name}-${size}.png`) });
  }
}

/** What a copy of an example would miss or have otherwise than the workspace: versions, the common style. */
function differences(name) {
  const manifest = JSON.parse(readFileSync(join(SOURCES, name, "package.json"), "utf8"));
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  const wrong = wanted.filter(([of, version]) => version !== (of === "doran" ? "latest" : devDependencies[of])).map(([of, version]) => `${of} ${version}`);
  const style = (of) => readFileSync(filesUnder(join(SOURCES, of)).find((file) => file.endsWith("/style.css")), "utf8");
  return style(name) === style("vanilla") ? wrong : [...wrong, "style.css"];
}

entry(async () => {
  const { fake = false, screenshots = false, _: wanted } = options(process.argv.slice(2), ["fake", "screenshots"]);
  const packageDir = fake ? await buildFakePackage() : join(ROOT, "pkg");
  const modelDir = join(WORK, "model");
  mkdirSync(modelDir, { recursive: true });
  const tiny = readFileSync(join(ROOT, "tests/fixtures/arch/llama/model-f32.gguf"));
  const model = { url: "/model/model.gguf", path: join(modelDir, "model.gguf"), bytes: withTemplate(tiny) };

  let passed = 0;
  let failed = 0;
  const check = async (name, work) => {
    const begun = Date.now();
    try {
      await work();
      passed += 1;
      console.log(`ok ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error.message}`);
    }
  };

  for (const name of wanted.length > 0 ? wanted : readdirSync(SOURCES)) {
    await check(`${name}: versions and style`, () => {
      const found = differences(name);
      if (found.length > 0) throw new Error(`otherwise than in the workspace: ${found.join(", ")}`);
    });
    let example;
    const complaints = [];
    await check(`${name}: builds`, async () => {
      const dir = await build(name, packageDir, fake);
      example = await (name === "extension" ? openExtension : openPageExample)(dir, modelDir);
      example.page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
      example.page.on("pageerror", (error) => complaints.push(error.message));
    });
    if (example === undefined) continue;
    const picture = async (of) => { if (screenshots) await photograph(example.page, `${name}-${of}`); };
    try {
      await check(`${name}: a load fails, and is tried again`, () => loads(example, { fake, model, atStart: () => picture("start") }));
      // Chromium itself tells the console of the address where nothing was.
      const unexpected = complaints.filter((text) => !text.includes("404"));
      complaints.splice(0, complaints.length, ...unexpected);
      await check(`${name}: a conversation`, () => converses(example, fake));
      await picture("chat");
      if (fake) await check(`${name}: an answer is stopped`, () => stops(example));
      if (name === "extension") await check(`${name}: a popup comes back`, () => comesBack(example));
      await check(`${name}: the browser has no complaints`, () => {
        if (complaints.length > 0) throw new Error(complaints.join(" | "));
      });
    } finally {
      await example.close();
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
