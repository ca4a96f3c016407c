/** Over plain http WebGPU is missing: the page says so, and what to do. */
import { chromium, expect, test } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";

test("at an address that is not secure both pages explain themselves", async () => {
  const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
  const { args, ...rest } = launchOptions(undefined);
  const browser = await chromium.launch({ ...rest, args: [...args, "--host-resolver-rules=MAP doran.test 127.0.0.1"] });
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("pageerror", ({ message }) => { faults.push(message); });
  const { port } = new URL(server.address);
  await page.goto(`http://doran.test:${port}/?lang=en`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("This page is not in a secure context");
  await page.goto(`http://doran.test:${port}/bench/?lang=en`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Benchmark");
  await expect(page.locator("#bench .problem")).toBeVisible();
  expect(faults).toEqual([]);
  await browser.close();
  await server.close();
});
