/** A page that is published anew while a reader has it open. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, type Page } from "@playwright/test";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { ROOT } from "../../scripts/lib/util.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";

/** Replaces the one place of a file that a pattern finds. */
function change(path: string, place: RegExp, by: string): void {
  const text = readFileSync(path, "utf8");
  expect(text.match(place), `${path} has ${String(place)}`).not.toBeNull();
  writeFileSync(path, text.replace(place, by));
}

const notice = (page: Page) => page.getByRole("status").filter({ hasText: "A new version of this page is ready." });
const newer = (page: Page) => page.locator('meta[name="edition"]');

test("a newer page is told of, waits for the reader, and takes over by a click; other tabs are told then", async ({ page, context }) => {
  const dir = mkdtempSync(join(tmpdir(), "doran-e2e-update-"));
  cpSync(join(ROOT, "www/dist"), dir, { recursive: true });
  const server = await demoServer({ dir, model: await defaultModel(), sha256: MODEL.sha256 });
  await page.goto(`${server.address}/?lang=en`);
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  const other = await context.newPage();
  await other.goto(`${server.address}/?lang=en#/models`);
  await expect(other.getByRole("heading", { level: 1 })).toBeVisible();
  for (const tab of [page, other]) await expect(notice(tab)).toHaveCount(0);

  change(join(dir, "index.html"), /<title>/, '<meta name="edition" content="newer"><title>');
  change(join(dir, "sw.js"), /("url":"index\.html","revision":")\w+/, "$1newer");
  await page.reload();
  await expect(notice(page)).toBeVisible();
  // Until then the page is the one that the reader has.
  await expect(newer(page)).toHaveCount(0);
  await notice(page).getByRole("button", { name: "Reload" }).click();
  await expect(newer(page)).toHaveCount(1);
  await expect(notice(page)).toHaveCount(0);

  await notice(other).getByRole("button", { name: "Reload" }).click();
  await expect(newer(other)).toHaveCount(1);
  await expect(notice(other)).toHaveCount(0);

  await server.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});
