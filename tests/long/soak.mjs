/** Five hundred answers and twenty loads of the real model: what is alive at the end is what was alive after the first fifty. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultModel } from "../../scripts/model.mjs";
import { playwright } from "../../scripts/lib/playwright.mjs";
import { CACHE } from "../../scripts/lib/util.mjs";

export const title = "500 answers and 20 loads of SmolLM2 in one page: GPU objects, heaps, listeners";

const TESTS = 3;

export async function run({ build, log }) {
  await defaultModel();
  await build({ demo: false });
  const record = join(CACHE, "long", "soak-seen.json");
  mkdirSync(dirname(record), { recursive: true });
  rmSync(record, { force: true });
  const { passed, failed } = await playwright(["--project=engine", "soak"], { env: { DORAN_SOAK: "real", DORAN_SOAK_RECORD: record }, log });
  const seen = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {};
  return { passed, failed: Math.max(failed, TESTS - passed), seen };
}
