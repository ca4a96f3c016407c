/** What `npm test` checks of each architecture in one form of its files, in all forms; `docs/models.md` is made of what is found. */
import { spawnSync } from "node:child_process";
import { ROOT } from "../../scripts/lib/util.mjs";

export const title = "every architecture, as a folder and as a GGUF file, against the results of other engines";

export async function run({ build, log }) {
  await build({ demo: false });
  const { stdout } = spawnSync("node", ["tests/goldens/run.mjs", "--record", "--skip-real", "--no-build"], { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 });
  log(stdout.trim().split("\n").slice(-3).join("\n"));
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  return { passed: Number(passed ?? 0), failed: Number(failed ?? 1) };
}
