/**
 * `npm run screenshots [-- --no-build] [--only chat,models]`: pictures of every view to look at, in the git-ignored .cache/screenshots:
 * light and dark, desktop and phone, English and Korean; and a contact sheet a view. `--readme` writes the two of the README.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { launchOptions } from "./lib/chromium.mjs";
import { demoServer } from "./lib/demo.mjs";
import { CACHE, entry, options, ROOT, say } from "./lib/util.mjs";
import { defaultModel, MODEL } from "./model.mjs";

const OUT = join(CACHE, "screenshots");
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 780 } };
const LOAD_MS = 180_000;

/** A conversation with what answers are made of, in each language. */
const SAID = {
  en: ["Show me how to add two numbers in Python.", "Here is a **small function**:\n\n```python\ndef add(left, right):\n    # Works for any two numbers.\n    return left + right\n\nprint(add(2, 3))\n```\n\n- It prints `5`.\n- See also [the tutorial](https://docs.python.org/3/tutorial/).\n\n| left | right | sum |\n|---|---|---|\n| 2 | 3 | 5 |"],
  ko: ["파이썬으로 두 수를 더하는 법을 보여 줘.", "**작은 함수**입니다.\n\n```python\ndef add(left, right):\n    # 어떤 두 수에도 됩니다.\n    return left + right\n\nprint(add(2, 3))\n```\n\n- `5`를 출력합니다.\n- [안내서](https://docs.python.org/3/tutorial/)도 보세요.\n\n| 왼쪽 | 오른쪽 | 합 |\n|---|---|---|\n| 2 | 3 | 5 |"],
};

/** A file of conversations, as the page imports it. */
function conversations() {
  const statistics = { tokens: 96, promptTokens: 41, tokensPerSecond: 14.2, timeToFirstTokenMs: 860, model: MODEL.file, settings: { temperature: 0.2, topP: 0.9 }, finishReason: "stop" };
  const one = ([question, answer], at) => ({
    id: `said-${at}`, title: question, titledByHand: true, created: Date.now() - at * 86_400_000, updated: Date.now() - at * 86_400_000, model: MODEL.file, settings: {}, chosen: {},
    turns: [{ id: "a", parent: null, role: "user", content: question, created: 1 }, { id: "b", parent: "a", role: "assistant", content: answer, created: 2, statistics }],
  });
  return JSON.stringify({ format: "doran-conversations", schema: 2, conversations: [one(SAID.en, 0), one(SAID.ko, 1)] });
}

const show = (page, view) => page.evaluate((hash) => { globalThis.location.hash = hash; }, view === "chat" ? "#/" : `#/${view}`);
const open = async (page, language) => {
  const entry = page.locator("#conversations > li", { hasText: SAID[language][0] }).locator(".open");
  await entry.evaluate((button) => button.click());
};

/** Each view: what makes it, once; and what is done before each picture of it. */
const VIEWS = {
  welcome: { ready: async (page) => { await show(page, "chat"); await page.waitForSelector("#start"); } },
  loading: {
    ready: async (page) => {
      await page.click("#start");
      await page.waitForFunction(() => document.querySelector("#loading progress")?.value > 0.2, undefined, { timeout: LOAD_MS });
      await page.click("#pause");
    },
    after: async (page) => {
      await page.click("#pause");
      await page.waitForSelector("#loading", { state: "detached", timeout: LOAD_MS });
    },
  },
  empty: { ready: (page) => show(page, "chat") },
  chat: { ready: (page) => page.setInputFiles("#import", { name: "c.json", mimeType: "application/json", buffer: Buffer.from(conversations()) }), each: open },
  list: { ready: () => undefined, sizes: ["phone"], each: (page) => page.click(".list-button"), undo: (page) => page.click(".veil", { position: { x: 370, y: 400 } }) },
  settings: { ready: () => undefined, each: (page) => page.click("#settings"), undo: (page) => page.keyboard.press("Escape") },
  models: { ready: (page) => show(page, "models") },
  compare: {
    ready: async (page) => {
      await show(page, "compare");
      for (const side of [0, 1]) await page.fill(`[data-side="${side}"] input >> nth=2`, "40");
      await page.fill("#compare form textarea", "Write one sentence about rain.");
      await page.click("#compare form button");
      await page.waitForSelector("#difference", { timeout: LOAD_MS });
    },
  },
  play: {
    ready: async (page) => {
      await show(page, "play");
      await page.click("#play form .main");
      await page.waitForSelector('#output[data-whole="true"]', { timeout: LOAD_MS });
    },
  },
};

/** Views that others come after. */
const STEPS = ["welcome", "loading", "chat"];

/** Sets a language without loading the page anew. */
async function speak(page, language) {
  if (await page.evaluate(() => document.documentElement.lang) !== language) await page.evaluate(() => document.querySelector("#language").click());
}

/** Pictures of one view in all ways; gives their names. */
async function shoot(page, name, { each, undo, sizes = Object.keys(SIZES) }) {
  const names = [];
  for (const size of sizes) {
    await page.setViewportSize(SIZES[size]);
    for (const language of ["en", "ko"]) {
      await speak(page, language);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await each?.(page, language);
        await page.waitForTimeout(250);
        const file = `${name}-${size}-${language}-${colorScheme}.png`;
        await page.screenshot({ path: join(OUT, file) });
        names.push(file);
        await undo?.(page);
      }
    }
  }
  await speak(page, "en");
  await page.setViewportSize(SIZES.desktop);
  return names;
}

/** One picture of all pictures of a view. */
async function sheet(browser, name, files) {
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  const images = files.map((file) => `<figure><img src="data:image/png;base64,${readFileSync(join(OUT, file)).toString("base64")}"><figcaption>${file}</figcaption></figure>`);
  await page.setContent(`<style>body{margin:16px;display:flex;flex-wrap:wrap;gap:16px;background:#888;font:12px sans-serif}img{height:420px;display:block}figure{margin:0}</style>${images.join("")}`);
  await page.screenshot({ path: join(OUT, `sheet-${name}.png`), fullPage: true });
  await page.close();
  say(`sheet-${name}.png`);
}

/** The two pictures of the README. */
async function forReadme(page) {
  mkdirSync(join(ROOT, "docs/images"), { recursive: true });
  await page.setViewportSize({ width: 1120, height: 720 });
  await page.emulateMedia({ colorScheme: "light" });
  await show(page, "chat");
  await open(page, "en");
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(ROOT, "docs/images/chat.png") });
  await page.setViewportSize(SIZES.phone);
  await speak(page, "ko");
  await page.emulateMedia({ colorScheme: "dark" });
  await open(page, "ko");
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(ROOT, "docs/images/chat-phone.png") });
  await speak(page, "en");
  await page.setViewportSize(SIZES.desktop);
}

entry(async () => {
  const { only, readme, ...rest } = options(process.argv.slice(2), ["no-build", "readme"]);
  const { chromium } = await import("playwright-core");
  if (rest["no-build"] !== true) await build();
  const wanted = only?.split(",");
  mkdirSync(OUT, { recursive: true });
  const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
  const browser = await chromium.launch(launchOptions());
  try {
    const page = await browser.newPage({ viewport: SIZES.desktop, locale: "en-US" });
    await page.goto(`${server.address}/?temperature=0`);
    for (const [name, view] of Object.entries(VIEWS)) {
      const isWanted = wanted === undefined || wanted.includes(name);
      if (isWanted || STEPS.includes(name)) await view.ready(page);
      if (isWanted) await sheet(browser, name, await shoot(page, name, view));
      await view.after?.(page);
      if (name === "chat" && readme === true) await forReadme(page);
    }
    if (wanted === undefined || wanted.includes("unsupported")) {
      const none = await browser.newPage({ viewport: SIZES.desktop, locale: "en-US" });
      await none.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }));
      await none.goto(server.address);
      await sheet(browser, "unsupported", await shoot(none, "unsupported", {}));
    }
    if (wanted === undefined || wanted.includes("bench")) {
      const bench = await browser.newPage({ viewport: SIZES.desktop, locale: "en-US" });
      await bench.goto(`${server.address}/bench/`);
      await sheet(browser, "bench", await shoot(bench, "bench", {}));
    }
    writeFileSync(join(OUT, "README.txt"), "Made by npm run screenshots.\n");
  } finally {
    await browser.close();
    await server.close();
  }
});
