/** Finds and starts Chromium with WebGPU on SwiftShader, as every script and test here does. */
import { existsSync } from "node:fs";
import { ask, Plain } from "./util.mjs";

/** Flags for WebGPU without a graphics card or a window. They stand in webdriver.json too. */
export const FLAGS = [
  "--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome-stable", "/usr/bin/google-chrome"];

/** The browser's path: what the caller says, `CHROME_PATH`, the usual places, or what is on `PATH`. */
export function chromiumPath(wanted = process.env.CHROME_PATH) {
  if (wanted !== undefined) {
    if (existsSync(wanted)) return wanted;
    throw new Plain(`there is no browser at ${wanted}`);
  }
  const found = PLACES.find((path) => existsSync(path)) ?? ask("which", ["chromium"]);
  if (found === undefined) throw new Plain("Chromium is not here; install it with: sudo apt-get install chromium chromium-driver");
  return found;
}

/** Playwright's launch options. `DORAN_CHROME_FLAGS` adds flags (a machine with a real GPU may say `--use-webgpu-adapter=default`). */
export function launchOptions(path) {
  const more = process.env.DORAN_CHROME_FLAGS?.split(" ").filter(Boolean) ?? [];
  return { executablePath: chromiumPath(path), args: [...FLAGS, ...more] };
}

/** When a browser that was just started is done with itself: with pages of its own, and what it updates. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 2000));

/** A headless browser and a page in it; `profile` keeps storage on disk between runs. */
export async function openPage({ path, profile } = {}) {
  const { chromium } = await import("playwright-core");
  if (profile !== undefined) {
    const context = await chromium.launchPersistentContext(profile, launchOptions(path));
    return { page: context.pages()[0] ?? await context.newPage(), close: () => context.close() };
  }
  const browser = await chromium.launch(launchOptions(path));
  const page = await (await browser.newContext()).newPage();
  return { page, close: () => browser.close() };
}
