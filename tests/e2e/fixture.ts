/** The demo with the real engine on the real model, as a reader uses it: a profile on disk, its server, and a server of files that fails as asked. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium, expect, test as base, type BrowserContext, type Locator, type Page } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { ROOT } from "../../scripts/lib/util.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";
import { serve } from "./server.mjs";

export { expect } from "@playwright/test";

/** The real model's file. */
export const NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";
/** A load of it at most, here. */
export const LOAD_MS = 180_000;
/** A short answer at most. */
export const ANSWER_MS = 120_000;
/** Tokens of an answer at most: after a text that ends anywhere the model goes on for as long as it may. */
export const ANSWER_TOKENS = 64;
/** Tiny models and their adapters. */
export const FIXTURES = join(ROOT, "tests/fixtures");

/** What the tests of a file share: a browser with a profile on disk, and the servers. */
export interface Demo {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly address: string;
  /** The same model on another origin; its query says how it fails. */
  readonly files: string;
  /** Bytes of the model that were asked for since the last look, by either server. */
  readonly modelRequests: () => number;
  /** Bytes that the other origin has sent of a path with its query. */
  readonly sent: (path: string) => number;
}

/** Flags of the browser; and the file of tests that uses it, which each names: otherwise files share a browser, and what is stored in it. */
export interface Settings {
  readonly flags: readonly string[];
  readonly file: string;
}

export const test = base.extend<object, Settings & { demo: Demo }>({
  flags: [[], { option: true, scope: "worker" }],
  file: ["", { option: true, scope: "worker" }],
  demo: [async ({ flags, file }, use) => {
    const folder = mkdtempSync(join(tmpdir(), `doran-e2e-${file}-`));
    const model = await defaultModel();
    const server = await demoServer({ model, sha256: MODEL.sha256 });
    const failing = await serve(dirname(model));
    const options = launchOptions(undefined);
    const context = await chromium.launchPersistentContext(folder, { ...options, args: [...options.args, ...flags], locale: "en-US", acceptDownloads: true });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.address });
    await context.addInitScript((maxTokens) => {
      if (location.protocol.startsWith("http") && localStorage.getItem("chat-settings") === null) localStorage.setItem("chat-settings", JSON.stringify({ maxTokens }));
    }, ANSWER_TOKENS);
    const page = context.pages()[0] ?? await context.newPage();
    let requests = 0;
    context.on("request", (request) => { if (request.url().includes(".gguf")) requests += 1; });
    await page.goto(`${server.address}/?temperature=0`);
    await use({
      context, page, address: server.address, files: failing.url,
      modelRequests: () => { const seen = requests; requests = 0; return seen; },
      sent: (path) => failing.stats()[path]?.bytes ?? 0,
    });
    await context.close();
    await Promise.all([server.close(), failing.close()]);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }, { scope: "worker", timeout: 60_000 }],
});

/** Loads the model from where the page offers it, unless one is loaded. */
export async function loadModel(page: Page): Promise<void> {
  await expect(page.locator("#start")).toContainText(NAME);
  await page.locator("#start").click();
  await expect(page.locator("#model-name")).toContainText("SmolLM2", { timeout: LOAD_MS });
}

/** Says something, and waits for the whole answer. */
export async function ask(page: Page, text: string): Promise<Locator> {
  await page.locator("#prompt").fill(text);
  await page.keyboard.press("Enter");
  await whole(page);
  return answers(page).last();
}

/** An answer's text once it stands: it is drawn some frames after the answer is whole. */
export async function said(answer: Locator): Promise<string> {
  let text = "";
  await expect.poll(async () => {
    const before = text;
    text = await answer.textContent() ?? "";
    return text !== "" && text === before;
  }, { intervals: [500] }).toBe(true);
  return text;
}

/** Waits until nothing is being answered. */
export async function whole(page: Page): Promise<void> {
  await expect(page.locator("#send")).toBeVisible({ timeout: ANSWER_MS });
}

/** Sets how long an answer may be: an answer that a test interrupts must not end before. */
export async function allow(page: Page, tokens: number): Promise<void> {
  await page.locator("#settings").click();
  await page.getByLabel("Length of an answer, in tokens").fill(String(tokens));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
}

/** The answers that are shown. */
export const answers = (page: Page): Locator => page.locator(".turn.assistant .words");

/** Shows a view. */
export async function show(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name }).click();
}
