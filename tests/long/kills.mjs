/** A store under kills: what `npm test` does eight times, forty times. */
import { spawnSync } from "node:child_process";
import { ROOT } from "../../scripts/lib/util.mjs";

export const title = "browsers killed and pages crashed in the middle of a download, at forty seeded offsets";

const KILLS = 40;

export async function run({ build, log }) {
  await build({ demo: false });
  const env = { ...process.env, DORAN_KILLS: String(KILLS) };
  const { status, stdout } = spawnSync("npx", ["playwright", "test", "--project=engine", "store", "--grep", "killed browsers"], { cwd: ROOT, encoding: "utf8", env });
  log(stdout.trim().split("\n").slice(-6).join("\n"));
  const passed = Number(/(\d+) passed/.exec(stdout)?.[1] ?? 0);
  return { passed, failed: status === 0 && passed === 1 ? 0 : 1, kills: KILLS };
}
