/** `npm run bench` measures something: each ceiling of the adapter is a number above zero. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entry, ROOT } from "../scripts/lib/util.mjs";

const WANTED = ["vec4LoadsPerSecond", "bytesReadPerSecond", "bytesCopiedPerSecond", "fmaPerSecond", "microsPerDispatch", "microsPerRoundTrip"];

entry(async () => {
  const folder = mkdtempSync(join(tmpdir(), "doran-bench-test-"));
  const out = join(folder, "out.json");
  const { status } = spawnSync(process.execPath, ["scripts/bench.mjs", "--no-build", "--only", "ceilings", "--out", out], { cwd: ROOT, stdio: ["ignore", 2, 2] });
  const { ceilings = {} } = status === 0 ? JSON.parse(readFileSync(out, "utf8")) : {};
  rmSync(folder, { recursive: true, force: true });
  const missing = WANTED.filter((name) => !(Number.isFinite(ceilings[name]) && ceilings[name] > 0));
  console.log(`exit code ${status}; ${missing.length === 0 ? "all figures are there" : `no figure for ${missing.join(", ")}`}`);
  const failed = status === 0 && missing.length === 0 ? 0 : 1;
  console.log(`${1 - failed} passed, ${failed} failed`);
  process.exitCode = failed;
});
