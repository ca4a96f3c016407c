/**
 * Two clones, in folders of other names and depths, with Cargo's own folder elsewhere, built apart: the same module, the same package,
 * byte for byte, and nothing of the folders in it. What is not committed is no part of a clone.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ask, CACHE, Plain, ROOT, run as command } from "../../scripts/lib/util.mjs";

export const title = "two clones build the same module and package";

const WORK = join(CACHE, "long/reproducible");
const FILES = ["pkg/dist/doran_bg.wasm", "pkg/dist/doran_constrained_bg.wasm", "pkg/dist/index.js", "pkg/dist/worker.js", "pkg/dist/integrity.json", "pkg/sbom.json"];
const CLONES = ["a", "another/folder-with-a-longer-name"];

/** A folder for Cargo at another place, with the crates that are there already. */
function cargoHome(at) {
  const own = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  mkdirSync(at, { recursive: true });
  for (const entry of ["registry", "bin"]) if (existsSync(join(own, entry))) symlinkSync(join(own, entry), join(at, entry));
}

/** Builds the clone at `at`; gives the hashes of what is published. */
async function built(at, commit) {
  const home = join(at, "../cargo-of-its-own");
  rmSync(at, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
  cargoHome(home);
  await command("git", ["clone", "--quiet", "--no-local", ROOT, at], { quiet: true });
  await command("git", ["checkout", "--quiet", "--detach", commit], { cwd: at, quiet: true });
  symlinkSync(join(ROOT, "node_modules"), join(at, "node_modules"));
  // A target folder of the caller's would be the same for both.
  const env = { CARGO_HOME: home, CARGO_TARGET_DIR: join(at, "target"), CARGO_INCREMENTAL: "0" };
  await command("node", ["scripts/build.mjs", "--package"], { cwd: at, env, quiet: true });
  const hashes = Object.fromEntries(FILES.map((file) => [file, createHash("sha256").update(readFileSync(join(at, file))).digest("hex")]));
  const module = readFileSync(join(at, FILES[0])).toString("latin1");
  const told = [at, home, homedir(), ROOT].filter((path) => module.includes(path));
  rmSync(at, { recursive: true, force: true });
  return { hashes, told };
}

export async function run({ state, save, log }) {
  const commit = ask("git", ["rev-parse", "HEAD"]);
  if (commit === undefined) throw new Plain("this is no clone of a repository: there is nothing to clone");
  if (ask("git", ["status", "--porcelain", "--untracked-files=no"]) !== "") throw new Plain("commit first: clones have what is committed");
  if (state.commit !== commit) Object.assign(state, { commit, builds: {} });
  for (const [i, name] of CLONES.entries()) {
    if (state.builds[name] !== undefined) continue;
    state.builds[name] = await built(join(WORK, `${i}`, name), commit);
    save();
    log(`${name}: ${JSON.stringify(state.builds[name])}`);
  }
  const [first, second] = CLONES.map((name) => state.builds[name]);
  const same = FILES.filter((file) => first.hashes[file] === second.hashes[file]);
  const told = [...first.told, ...second.told];
  rmSync(WORK, { recursive: true, force: true });
  return {
    passed: same.length + (told.length === 0 ? 1 : 0),
    failed: FILES.length - same.length + (told.length === 0 ? 0 : 1),
    commit, sha256: first.hashes, other: Object.fromEntries(FILES.filter((file) => !same.includes(file)).map((file) => [file, second.hashes[file]])), told: told.length,
  };
}
