/** A page that is published anew while a reader has it open. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { ROOT } from "../../scripts/lib/util.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";

/** Replaces the one place of a file that a pattern finds. */
function change(path: string, place: RegExp, by: string): void {
  const text = readFileSync(path, "utf8");
  expect(text.match(place), `${path} has ${String(place)}`).not.toBeNull();
  writeFileSync(path, text.replace(place, by));
}

test("a newer page is told of, waits for the reader, and takes over by a click", async ({ page }) => {
  const dir = mkdtempSync(join(tmpdir(), "doran-e2e-update-"));
  cpSync(join(ROOT, "www/dist"), dir, { recursive: true });
  const server = await demoServer({ dir, model: await defaultModel(), sha256: MODEL.sha256 });
  await page.goto(`${server.address}/?lang=en`);
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  const notice = page.getByRole("status").filter({ hasText: "A new version of this page is ready." });
  const newer = page.locator('meta[name="edition"]');
  await expect(notice).toHaveCount(0);

  change(join(dir, "index.html"), /<title>/, '<meta name="edition" content="newer"><title>');
  change(join(dir, "sw.js"), /("url":"index\.html","revision":")\w+/, "$1newer");
  await page.reload();
  await expect(notice).toBeVisible();
  // Until then the page is the one that the reader has.
  await expect(newer).toHaveCount(0);
  await notice.getByRole("button", { name: "Reload" }).click();
  await expect(newer).toHaveCount(1);
  await expect(notice).toHaveCount(0);

  await server.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});
