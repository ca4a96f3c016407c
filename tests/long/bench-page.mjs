/**
 * The benchmark's page with its own plan on the real model, to the end: what it asks of a reader who only clicks "Run". On a software
 * adapter the long prompts take minutes. Pictures of its charts are left in the git-ignored .cache/screenshots to look at.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { isResult, problems } from "../../benches/result.mjs";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { demoServer } from "../../scripts/lib/demo.mjs";
import { CACHE } from "../../scripts/lib/util.mjs";
import { defaultModel, MODEL } from "../../scripts/model.mjs";
import { coloured } from "../e2e/canvas.mjs";

export const title = "the benchmark's page runs its whole plan on the real model, draws it, and saves it";

const OUT = join(CACHE, "screenshots");
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 780 } };
/** A step that takes longer hangs. */
const STEP_MS = 40 * 60_000;
const STEPS = ["ceilings", "load", "reload", "warmUp", "prefill", "prefill", "prefill", "decode", "decode", "decode", "kernels"];
const CHARTS = ["decode", "context", "kernels", "memory"];

export async function run({ build, log }) {
  await build();
  const server = await demoServer({ model: await defaultModel(), sha256: MODEL.sha256 });
  const browser = await chromium.launch(launchOptions(undefined));
  const checks = [];
  const check = (name, ok, found) => {
    checks.push({ name, ok, ...(ok ? {} : { found }) });
    log(`${ok ? "ok" : "FAILED"} ${name}${ok ? "" : `: ${JSON.stringify(found)}`}`);
  };
  try {
    const page = await browser.newPage({ viewport: SIZES.desktop });
    const faults = [];
    page.on("pageerror", ({ message }) => { faults.push(message); });
    page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
    await page.goto(`${server.address}/bench/?lang=en`);
    await page.getByRole("button", { name: "Run" }).click();
    const minutes = await follow(page, log);
    const states = await page.locator("#progress li").evaluateAll((all) => all.map((one) => [one.dataset.step, one.dataset.state]));
    check("every step is done", JSON.stringify(states) === JSON.stringify(STEPS.map((step) => [step, "done"])), states);

    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as JSON" }).click()]);
    const result = JSON.parse(readFileSync(await download.path(), "utf8"));
    check("what it saves is a result", isResult(result), problems(result));
    check("prompts of 128, 512 and 2048 tokens", String(result.prefill?.map(({ promptTokens }) => promptTokens)) === "128,512,2048", result.prefill);
    check("tokens behind 0, 1k and 4k", String(result.decode?.map(({ context }) => context)) === "0,1024,4096", result.decode);
    check("three runs of each", [...result.prefill ?? [], ...result.decode ?? []].every(({ tpsOfRuns }) => tpsOfRuns.length === 3), result.runs);
    check("kernels of a token and of a piece of a prompt", new Set(result.kernels?.map(({ rows }) => rows)).size === 2, result.kernels?.length);
    for (const id of CHARTS) {
      const colours = await page.locator(`#chart-${id} canvas`).evaluate(coloured).catch(({ message }) => message);
      check(`the chart of ${id} is drawn`, colours > 200, colours);
    }
    check("nothing was reported on the way", faults.length === 0, faults);
    await pictures(page, server.address);
    const failed = checks.filter(({ ok }) => !ok).length;
    return { passed: checks.length - failed, failed, checks, minutes, result };
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Waits for the end of the run; gives the minutes of each step. */
async function follow(page, log) {
  const minutes = [];
  for (;;) {
    const begun = Date.now();
    const at = minutes.length;
    const step = page.locator("#progress li").nth(at);
    if (at > 0 && await step.count() === 0) return minutes;
    const ended = ["done", "skipped", "stopped", "failed"].map((state) => `[data-state="${state}"]`).join(",");
    await step.and(page.locator(ended)).waitFor({ timeout: STEP_MS });
    minutes.push({ step: await step.locator("span").first().innerText(), minutes: Number(((Date.now() - begun) / 60_000).toFixed(2)) });
    log(`${minutes[at].step}: ${minutes[at].minutes} min`);
  }
}

/** The page in each way that it is seen. */
async function pictures(page, address) {
  mkdirSync(OUT, { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const language of ["en", "ko"]) {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.goto(`${address}/bench/?lang=${language}`);
        await page.locator("#chart-memory canvas").waitFor();
        await page.screenshot({ path: join(OUT, `bench-whole-${size}-${language}-${colorScheme}.png`), fullPage: true });
      }
    }
  }
}
