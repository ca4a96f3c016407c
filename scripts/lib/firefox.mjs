/** Finds and starts Firefox with WebGPU on the system's Vulkan driver: another engine, with another compiler of WGSL (naga). */
import { existsSync } from "node:fs";
import { ask, Plain } from "./util.mjs";

/** WebGPU is off by default on Linux, and software drivers are on a list of what is not to be used. */
const PREFERENCES = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true, "dom.webgpu.workers.enabled": true };

function firefoxPath() {
  const wanted = process.env.FIREFOX_PATH;
  if (wanted !== undefined && existsSync(wanted)) return wanted;
  const found = ask("which", ["firefox-esr"]) ?? ask("which", ["firefox"]);
  if (found === undefined) throw new Plain("Firefox is not here; install it with: sudo apt-get install firefox-esr, or say where it is in FIREFOX_PATH");
  return found.trim();
}

/** A Firefox without a window, by WebDriver BiDi; `profile` keeps storage on disk between runs. */
export async function openFirefox({ profile } = {}) {
  const { default: puppeteer } = await import("puppeteer-core");
  return puppeteer.launch({
    browser: "firefox", executablePath: firefoxPath(), headless: true, extraPrefsFirefox: PREFERENCES, protocolTimeout: 3_600_000,
    ...(profile === undefined ? {} : { userDataDir: profile }),
  });
}
