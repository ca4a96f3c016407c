/**
 * An answer goes on while another tab is in front. Playwright tells every page that it is seen, so that this drives the browser by
 * puppeteer, which leaves that to the browser.
 */
import { expect, test } from "@playwright/test";
import puppeteer from "puppeteer-core";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";
import { ANSWER_MS, LOAD_MS } from "./fixture.js";

test("an answer goes on while another tab is in front, and is there when the reader comes back", async () => {
  const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
  const { executablePath, args } = launchOptions(undefined);
  const browser = await puppeteer.launch({ executablePath, args: [...args], headless: true });
  try {
    const [page] = await browser.pages();
    if (page === undefined) throw new Error("the browser has no page");
    await page.goto(`${server.address}/?temperature=0&lang=en`);
    await page.waitForFunction(() => document.querySelector("#start")?.textContent?.includes("SmolLM2") === true);
    await page.locator("#start").click();
    await page.waitForFunction(() => document.querySelector("#model-name")?.textContent !== "", { timeout: LOAD_MS });
    await page.locator("#prompt").fill("Count from one to ten in words.");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /\w/.test(document.querySelector(".turn.assistant .words")?.textContent ?? ""), { timeout: ANSWER_MS });
    const before = await page.evaluate(() => document.querySelector(".turn.assistant .words")?.textContent?.length ?? 0);

    const other = await browser.newPage();
    await other.bringToFront();
    await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe("hidden");
    // No frame is drawn meanwhile, and none is needed for the answer to end and to be kept.
    await expect.poll(() => page.evaluate(() => document.querySelector("#send") !== null), { timeout: ANSWER_MS }).toBe(true);
    expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
    await page.bringToFront();
    await expect.poll(() => page.evaluate(() => document.querySelector(".turn.assistant .words")?.textContent?.length ?? 0)).toBeGreaterThan(before + 20);
  } finally {
    await browser.close();
    await server.close();
  }
});
