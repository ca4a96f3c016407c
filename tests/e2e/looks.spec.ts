/** How the page is for everyone: no serious finding of axe in any view, by keyboard alone, on a phone, enlarged, in either language. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { ask, expect, loadModel, show, test } from "./fixture.js";

test.use({ file: "looks" });
test.describe.configure({ mode: "serial" });

const VIEWS = ["Chat", "Models", "Compare", "Playground"] as const;
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

/** What axe finds that is serious or worse, by rule and place. */
async function findings(page: Page): Promise<readonly string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
}

const overflow = (page: Page): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("axe finds nothing serious in any view, in light and dark, wide and narrow, and nothing is cut off", async ({ demo: { page, address } }) => {
  await loadModel(page);
  await ask(page, "Write the word hello in a code block.");
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const name of VIEWS) {
        await show(page, name);
        await expect(page.locator("main > *").first()).toBeVisible();
        expect(await findings(page), `${name}, ${colorScheme}, ${viewport.width} px`).toEqual([]);
        expect(await overflow(page), `${name}, ${viewport.width} px`).toBe(0);
      }
      await show(page, "Chat");
      await page.locator("#settings").click();
      expect(await findings(page), `settings, ${colorScheme}, ${viewport.width} px`).toEqual([]);
      await page.keyboard.press("Escape");
    }
  }
  const bench = await page.context().newPage();
  for (const viewport of [DESKTOP, PHONE]) {
    await bench.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await bench.emulateMedia({ colorScheme });
      await bench.goto(`${address}/bench/`);
      await expect(bench.getByRole("heading", { level: 1 })).toBeVisible();
      expect(await findings(bench), `benchmark, ${colorScheme}, ${viewport.width} px`).toEqual([]);
      expect(await overflow(bench), `benchmark, ${viewport.width} px`).toBe(0);
    }
  }
  await bench.close();
});

test("on a phone the list of conversations comes when it is asked for", async ({ demo: { page } }) => {
  await page.setViewportSize(PHONE);
  await show(page, "Chat");
  await expect(page.locator("#conversations")).toBeHidden();
  await page.getByRole("button", { name: "Show conversations" }).click();
  await expect(page.locator("#conversations")).toBeVisible();
  await page.locator("#conversations .open").first().click();
  await expect(page.locator("#conversations")).toBeHidden();
  await expect(page.locator("#prompt")).toBeInViewport();
});

test("at twice the size nothing is cut off", async ({ demo: { page } }) => {
  // A window of 1280 × 800 that is enlarged to 200 % is laid out as one of half the size.
  await page.setViewportSize({ width: DESKTOP.width / 2, height: DESKTOP.height / 2 });
  for (const name of VIEWS) {
    await show(page, name);
    expect(await overflow(page), name).toBe(0);
  }
  await show(page, "Chat");
  await expect(page.locator("#prompt")).toBeInViewport();
  await page.setViewportSize(DESKTOP);
});

test("without motion nothing moves", async ({ demo: { page } }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.locator("#prompt").fill("Write a long story.");
  await page.keyboard.press("Enter");
  await expect(page.locator('.turn[aria-busy="true"]')).toBeVisible();
  const moving = (): Promise<number> => page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === "running").length);
  expect(await moving()).toBe(0);
  // Nor does anything that lasts as long as an answer: it would be painted all the time, beside the model.
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await expect.poll(moving).toBe(0);
  await expect(page.locator('.turn[aria-busy="true"]')).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.locator("#send")).toBeVisible({ timeout: 60_000 });
});

test("the keyboard alone asks, copies, sets and goes to every view", async ({ demo: { page } }) => {
  await page.reload();
  await expect(page.locator("#start")).toBeVisible();
  const focused = (): Promise<string> => page.evaluate(() => `${document.activeElement?.id ?? ""} ${document.activeElement?.textContent ?? ""} ${document.activeElement?.getAttribute("aria-label") ?? ""}`);
  /** Presses Tab until the focus is on what has these words. */
  const tabTo = async (words: string): Promise<void> => {
    for (let at = 0; at < 60; at += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).includes(words)) return;
    }
    throw new Error(`Tab does not come to ${words}`);
  };
  await page.keyboard.press("Tab");
  expect(await focused()).toContain("To the content");
  await page.keyboard.press("Enter");
  expect(await focused()).toMatch(/^main/);
  await tabTo("start ");
  await page.keyboard.press("Enter");
  await expect(page.locator("#model-name")).toContainText("SmolLM2", { timeout: 180_000 });
  await tabTo("settings ");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(await focused()).toMatch(/^settings /);
  await tabTo("prompt ");
  await page.keyboard.type("What is the capital of France?");
  await page.keyboard.press("Enter");
  await expect(page.locator(".turn.assistant .words")).toContainText("Paris", { timeout: 120_000 });
  for (const name of VIEWS) {
    await page.locator("body").focus();
    await tabTo(name);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("navigation").getByRole("link", { name })).toHaveAttribute("aria-current", "page");
  }
});

test("the language and the colours change at once, and stay", async ({ demo: { page } }) => {
  await show(page, "Chat");
  await page.locator("#language").click();
  await expect(page.getByRole("button", { name: "새 대화" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await expect(page).toHaveTitle("doran · 대화");
  await page.getByRole("button", { name: /^색:/ }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
  await page.getByRole("button", { name: /^색:/ }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.getByRole("button", { name: "새 대화" })).toBeVisible();
  expect(await findings(page)).toEqual([]);
  await page.locator("#language").click();
  await page.getByRole("button", { name: /^Colours:/ }).click();
  await expect(page.locator("html")).not.toHaveAttribute("data-theme");
});

test("a Korean reader gets Korean from the first", async ({ browser, demo: { address } }) => {
  const context = await browser.newContext({ locale: "ko-KR" });
  const page = await context.newPage();
  await page.goto(address);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("내 기기에서");
  await context.close();
});
