/**
 * What `npm test` leaves out of its browser suites for its length: tests that are tagged `@long`, each beside shorter ones of the same
 * feature. On the real model and tiny ones, in Chromium, as the others.
 */
import { playwright } from "../../scripts/lib/playwright.mjs";
import { defaultModel } from "../../scripts/model.mjs";

export const title = "tests of the engine, the surfaces and the demo that take long";

export async function run({ build, log }) {
  await defaultModel();
  await build();
  return playwright(["--project=engine", "--project=surfaces", "--project=e2e", "--grep=@long"], { env: { DORAN_LONG: "1" }, log });
}
