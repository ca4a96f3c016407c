/** The demo with the real engine on the real model, as a reader uses it. One profile on disk, so that a reload finds what was stored. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, expect, test as base, type BrowserContext, type Page } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";

const NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";
const LOAD_MS = 120_000;

interface Demo {
  readonly page: Page;
  /** Bytes of the model that the server was asked for since the last look. */
  readonly modelRequests: () => number;
}

const test = base.extend<object, { profile: BrowserContext; demo: Demo }>({
  profile: [async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "doran-e2e-"));
    const context = await chromium.launchPersistentContext(folder, { ...launchOptions(undefined), locale: "en-US" });
    await use(context);
    await context.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }, { scope: "worker" }],

  demo: [async ({ profile: context }, use) => {
    const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
    const page = context.pages()[0] ?? await context.newPage();
    let requests = 0;
    context.on("request", (request) => { if (request.url().includes(".gguf")) requests += 1; });
    await page.goto(`${server.address}/?temperature=0`);
    await use({ page, modelRequests: () => { const seen = requests; requests = 0; return seen; } });
    await server.close();
  }, { scope: "worker" }],
});

test.describe.configure({ mode: "serial" });

test("a load shows its progress and ends in a chat", async ({ demo: { page, modelRequests } }) => {
  await page.locator("#offered li", { hasText: NAME }).getByRole("button", { name: "Load" }).click();
  await expect(page.locator("#loading-line")).toContainText(/of 98\.4 MB/, { timeout: LOAD_MS });
  await expect(page.locator("#chat")).toBeVisible({ timeout: LOAD_MS });
  expect(modelRequests()).toBeGreaterThan(0);
});

test("an answer streams, is right, and its speed is shown", async ({ demo: { page } }) => {
  await page.getByRole("textbox").fill("What is the capital of France?");
  await page.keyboard.press("Enter");
  await expect(page.locator(".turn.assistant")).toContainText("Paris", { timeout: 60_000 });
  await expect(page.locator("#speed")).toContainText(/tokens\/s/, { timeout: 60_000 });
  await expect(page.locator("#spoken p").first()).toBeAttached();
  await expect(page.getByRole("button", { name: "Send" })).toBeVisible({ timeout: 60_000 });
});

test("stop keeps what was said, and the chat goes on", async ({ demo: { page } }) => {
  await page.getByRole("textbox").fill("Write a very long story about a lighthouse keeper and the sea.");
  await page.keyboard.press("Enter");
  const answer = page.locator(".turn.assistant").last();
  await expect(answer).toContainText(/\w+ \w+/, { timeout: 60_000 });
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
  await expect(page.locator("#speed")).toContainText("Stopped");
  expect((await answer.textContent())?.length).toBeGreaterThan(3);
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.locator(".turn")).toHaveCount(0);
  await page.getByRole("textbox").fill("What is the capital of France?");
  await page.keyboard.press("Enter");
  await expect(page.locator(".turn.assistant")).toContainText("Paris", { timeout: 60_000 });
});

test("Enter while an input method composes does not send", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "New chat" }).click();
  await page.getByRole("textbox").fill("도란");
  await page.locator("#prompt").dispatchEvent("keydown", { key: "Enter", isComposing: true });
  await expect(page.locator(".turn")).toHaveCount(0);
  await expect(page.locator("#prompt")).toHaveValue("도란");
});

test("after a reload the model is stored: it loads without a byte from the network", async ({ demo: { page, modelRequests } }) => {
  await page.reload();
  modelRequests();
  const stored = page.locator("#stored-list li", { hasText: NAME });
  await expect(stored).toContainText("98.4 MB");
  await expect(page.locator("#usage-line")).toContainText(/MB used/);
  await stored.getByRole("button", { name: "Load" }).click();
  await expect(page.locator("#chat")).toBeVisible({ timeout: LOAD_MS });
  expect(modelRequests()).toBe(0);
});

test("the language changes while a model is loaded", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "한국어" }).click();
  await expect(page.getByRole("button", { name: "새 대화" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await page.getByRole("button", { name: "English" }).click();
});

test("a stored model can be deleted", async ({ demo: { page } }) => {
  await page.getByRole("button", { name: "Other model" }).click();
  const stored = page.locator("#stored-list li", { hasText: NAME });
  page.once("dialog", (dialog) => void dialog.accept());
  await stored.getByRole("button", { name: "Delete" }).click();
  await expect(stored).toHaveCount(0);
  await expect(page.locator("#offered li", { hasText: NAME })).toBeVisible();
});

test("a wrong address is a sentence, and the page goes on", async ({ demo: { page } }) => {
  await page.locator("#url").fill("http://localhost:9/no.gguf");
  await page.locator("#by-url").getByRole("button", { name: "Load" }).click();
  await expect(page.getByRole("alert")).toContainText("could not be fetched", { timeout: 60_000 });
  await expect(page.locator("#offered li")).toHaveCount(1);
});

test("a load can be cancelled", async ({ demo: { page } }) => {
  await page.locator("#offered li").getByRole("button", { name: "Load" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator("#ways")).toBeVisible();
  await expect(page.locator("#chat")).toBeHidden();
});
