import { defineConfig } from "@playwright/test";
import { launchOptions } from "./scripts/lib/chromium.mjs";

export default defineConfig({
  outputDir: "test-results",
  fullyParallel: false,
  workers: 1,
  // `npm run test:long -- browser` runs these.
  ...(process.env["DORAN_LONG"] === undefined && { grepInvert: /@long/ }),
  forbidOnly: process.env["CI"] !== undefined,
  reporter: [["list"]],
  use: { launchOptions: launchOptions(undefined), trace: "retain-on-failure" },
  projects: [
    // The worker and its protocol, against the stand-in of tests/fake-wasm.
    { name: "protocol", testDir: "tests/protocol", timeout: 20_000 },
    // The demo's rooms that have no view: conversations in a real database, Markdown in a real page.
    { name: "www", testDir: "tests/www", testMatch: "*.spec.ts", use: { trace: "off" }, timeout: 20_000 },
    // The real engine: answers on tiny models, downloads of a generated one.
    { name: "engine", testDir: "tests/engine", timeout: 120_000 },
    // What stands on the engine: the Prompt API, the AI SDK, React; bundled, with the real packages.
    { name: "surfaces", testDir: "tests/surfaces", timeout: 240_000, expect: { timeout: 60_000 } },
    // The demo, with the real engine on a real model.
    { name: "e2e", testDir: "tests/e2e", timeout: 240_000, expect: { timeout: 30_000 } },
  ],
});
