/** The benchmark's page with the real engine on the real model: a short run, its charts, what it exports, and what it takes back. */
import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { isResult, problems } from "../../benches/result.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";
import { coloured } from "./canvas.mjs";

const SHORT = "parts=ceilings,load,prefill,decode&prefill=64&decode=0,1024,100000&tokens=4&runs=1";
/** A profile of a real run: timing them takes minutes on a software adapter. */
const KERNELS = [
  { rows: 1, kernel: "matvec_rows[q4_1,f32]", dispatches: 150, ms: 21, weightBytes: 6e7, kvBytes: 0, multiplyAdds: 1e8 },
  { rows: 1, kernel: "rms_norm", dispatches: 61, ms: 2, weightBytes: 7e4, kvBytes: 0, multiplyAdds: 0 },
  { rows: 64, kernel: "matmul[q4_1]", dispatches: 210, ms: 900, weightBytes: 6e7, kvBytes: 0, multiplyAdds: 7e9 },
];

test("a short run measures, draws, exports, and opens what it exported", async ({ page }) => {
  test.setTimeout(480_000);
  const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
  const faults: string[] = [];
  page.on("pageerror", ({ message }) => { faults.push(message); });
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  // Without its slash the page is found all the same.
  await page.goto(`${server.address}/bench?${SHORT}&lang=en`);
  expect(new URL(page.url()).pathname).toBe("/bench/");
  await expect(page.locator("#set-up select").first()).toHaveValue(/^(served|stored):/);
  await page.getByRole("button", { name: "Run" }).click();
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(page.locator("#progress")).toHaveAttribute("data-running", "false", { timeout: 420_000 });
  const states = await page.locator("#progress li").evaluateAll((all) => all.map((one) => [one.getAttribute("data-step"), one.getAttribute("data-state")]));
  expect(states).toEqual([
    ["ceilings", "done"], ["load", "done"], ["reload", "done"], ["warmUp", "done"], ["prefill", "done"], ["decode", "done"], ["decode", "done"], ["decode", "skipped"],
  ]);
  await expect(page.locator("#progress li").last()).toContainText("it does not fit the context of 8,192 tokens");

  for (const id of ["decode", "context", "memory"]) {
    const chart = page.locator(`#chart-${id}`);
    await expect(chart.getByRole("img")).toHaveAccessibleName(/\d/);
    await expect.poll(() => chart.locator("canvas").evaluate(coloured), { message: id }).toBeGreaterThan(200);
  }
  await expect(page.locator('#figures [data-measure="share"]').first()).toContainText("%");

  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as JSON" }).click()]);
  expect(download.suggestedFilename()).toMatch(/^doran-bench-.*\.json$/);
  const text = readFileSync(await download.path(), "utf8");
  const result: unknown = JSON.parse(text);
  expect(problems(result)).toEqual([]);
  if (!isResult(result)) return;
  expect(result.prefill?.map(({ tps }) => tps > 0)).toEqual([true]);
  expect(result.decode?.map(({ context, tps }) => [context, tps > 0])).toEqual([[0, true], [1024, true]]);
  const [near, far] = result.decode ?? [];
  expect(near?.weightBytes).toBeGreaterThan(5e7);
  expect(far?.weightBytes).toBeCloseTo(near?.weightBytes ?? 0, -3);
  expect(far?.kvBytes).toBeGreaterThan(near?.kvBytes ?? Infinity);
  expect(result.countersPerToken?.["submits"]).toBe(1);
  expect(result.memory?.gpuBytes).toBeGreaterThan(9e7);
  expect(result.ceilings?.bytesReadPerSecond).toBeGreaterThan(0);

  await page.locator("#import").setInputFiles({ name: "wrong.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ ...result, decode: [{ context: 0, tokens: 4, tps: 0 }] })) });
  await expect(page.getByRole("alert")).toContainText("wrong.json is not a benchmark result.");
  await expect(page.getByRole("alert")).toContainText("decode.0.tps");
  await page.locator("#import").setInputFiles({ name: "other.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(page.locator("#imported li")).toHaveCount(1);
  await expect(page.locator("#figures thead th")).toHaveCount(3);
  await expect(page.locator("#chart-context .legend li")).toHaveCount(2);
  await expect(page.locator("#chart-decode canvas")).toHaveCount(1);

  const [shared] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as a picture" }).click()]);
  const png = readFileSync(await shared.path());
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2400, 1260]);

  // Another device, with kernels; a reload keeps it all, and Korean says it.
  await page.getByRole("button", { name: /^Remove/ }).click();
  await page.locator("#import").setInputFiles({ name: "kernels.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ ...result, kernels: KERNELS, kernelsContext: 511 })) });
  await expect.poll(() => page.locator("#chart-kernels canvas").evaluate(coloured)).toBeGreaterThan(200);
  await page.goto(`${server.address}/bench/?lang=ko`);
  await expect(page.locator("#figures thead th")).toHaveCount(3);
  await expect(page.locator("#chart-kernels").getByRole("img")).toHaveAccessibleName(/토큰 하나.*matvec_rows/);
  await page.getByRole("button", { name: /빼기$/ }).click();
  await expect(page.locator("#figures thead th")).toHaveCount(2);

  // A stopped run stays stopped, also in the middle of a call that nothing else ends, and another can begin.
  await page.goto(`${server.address}/bench/?parts=decode&decode=0,64&tokens=400&runs=1&lang=en`);
  await page.getByRole("button", { name: "Run" }).click();
  await expect(page.locator('#progress [data-step="decode"]').first()).toHaveAttribute("data-state", "running", { timeout: 120_000 });
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByRole("button", { name: "Run" })).toBeVisible();
  await expect(page.locator('#progress [data-step="decode"]')).toHaveCount(2);
  for (const step of await page.locator('#progress [data-step="decode"]').all()) await expect(step).toHaveAttribute("data-state", "stopped");
  await expect(page.locator("#progress").getByRole("status")).toHaveText("stopped");
  // It has less than the one before, which stays among the others.
  await expect(page.locator("#imported li")).toHaveCount(1);
  await expect(page.locator('#figures [data-measure="prefill"]')).toHaveCount(1);
  expect(faults).toEqual([]);
  await server.close();
});
