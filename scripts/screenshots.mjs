/**
 * `npm run screenshots [-- --fake]`: pictures of the demo to look at, in the git-ignored .cache/screenshots: desktop, phone, dark,
 * Korean, a page without WebGPU. With `--fake`, on the stand-in of tests/fake-wasm.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "./build.mjs";
import { launchOptions } from "./lib/chromium.mjs";
import { buildDemo, demoServer } from "./lib/demo.mjs";
import { buildFakePackage } from "./lib/package.mjs";
import { CACHE, entry, options, ROOT, say } from "./lib/util.mjs";
import { defaultModel } from "./model.mjs";

const OUT = join(CACHE, "screenshots");
const DESKTOP = { width: 1100, height: 760 };
const PHONE = { width: 390, height: 780 };

/** What is photographed: a window, its settings, and how far to go. */
const SHOTS = [
  { name: "choose-desktop", viewport: DESKTOP },
  { name: "choose-phone-ko", viewport: PHONE, locale: "ko-KR" },
  { name: "choose-dark", viewport: DESKTOP, colorScheme: "dark" },
  { name: "chat-desktop", viewport: DESKTOP, chat: "What is the capital of France?" },
  { name: "chat-phone-dark-ko", viewport: PHONE, locale: "ko-KR", colorScheme: "dark", chat: "What is the capital of France?" },
  { name: "unsupported-phone", viewport: PHONE, noGpu: true },
];

async function shoot(browser, address, { name, viewport, locale = "en-US", colorScheme = "light", chat, noGpu }) {
  const context = await browser.newContext({ viewport, locale, colorScheme, deviceScaleFactor: 2 });
  const page = await context.newPage();
  if (noGpu) await page.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }));
  await page.goto(address);
  await page.waitForSelector(noGpu ? "#unsupported:not([hidden])" : "#offered li");
  if (chat !== undefined) {
    await page.click("#offered button");
    await page.waitForSelector("#loading:not([hidden])");
    await page.screenshot({ path: join(OUT, `${name}-loading.png`) });
    await page.waitForSelector("#chat:not([hidden])", { timeout: 180_000 });
    await page.fill("#prompt", chat);
    await page.press("#prompt", "Enter");
    await page.waitForFunction(() => document.querySelector("#send")?.hidden === false && document.querySelector(".turn.assistant") !== null, undefined, { timeout: 180_000 });
  }
  await page.screenshot({ path: join(OUT, `${name}.png`) });
  await context.close();
  say(`${name}.png`);
}

entry(async () => {
  const { fake } = options(process.argv.slice(2), ["fake"]);
  const { chromium } = await import("playwright-core");
  mkdirSync(OUT, { recursive: true });
  let site = join(ROOT, "www/dist");
  let model;
  if (fake) {
    site = join(CACHE, "fake/site");
    await buildDemo(await buildFakePackage(), { site: join(CACHE, "fake"), out: site, name: "fake-demo" });
    model = join(CACHE, "fake/model/SmolLM2-135M-Instruct.Q4_1.gguf");
    mkdirSync(dirname(model), { recursive: true });
    writeFileSync(model, Buffer.alloc(4_000_000, 1));
  } else {
    await build();
    model = await defaultModel();
  }
  const server = await demoServer({ dir: site, model });
  const browser = await chromium.launch(launchOptions());
  try {
    for (const shot of SHOTS) await shoot(browser, server.address, shot);
  } finally {
    await browser.close();
    await server.close();
  }
});
