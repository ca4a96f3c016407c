/** Five hundred answers and twenty loads of the real model: what is alive at the end is what was alive after the first fifty. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultModel } from "../../scripts/model.mjs";
import { CACHE, ROOT } from "../../scripts/lib/util.mjs";

export const title = "500 answers and 20 loads of SmolLM2 in one page: GPU objects, heaps, listeners";

const TESTS = 3;

export async function run({ build, log }) {
  await defaultModel();
  await build({ demo: false });
  const record = join(CACHE, "long", "soak-seen.json");
  mkdirSync(dirname(record), { recursive: true });
  rmSync(record, { force: true });
  const env = { ...process.env, DORAN_SOAK: "real", DORAN_SOAK_RECORD: record };
  const { status, stdout } = spawnSync("npx", ["playwright", "test", "--project=engine", "soak"], { cwd: ROOT, encoding: "utf8", env });
  log(stdout.trim().split("\n").slice(-6).join("\n"));
  const seen = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {};
  const passed = Number(/(\d+) passed/.exec(stdout)?.[1] ?? 0);
  return { passed, failed: status === 0 && passed === TESTS ? 0 : TESTS - passed || 1, seen };
}
