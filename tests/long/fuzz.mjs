/**
 * libFuzzer on each target of `crates/hostile`, from seeds of the fixtures. `DORAN_FUZZ_SECS` is how long each runs (600 where it is
 * not said), and again until it has had as many inputs as it must. Needs nightly Rust and cargo-fuzz. A crash is kept in
 * fuzz/artifacts, and is a failure.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, Plain, ROOT } from "../../scripts/lib/util.mjs";

export const title = "malformed input under libFuzzer, with its coverage";

const FUZZ = join(ROOT, "fuzz");
const MEGABYTES = 1024;
const SECS_OF_ONE = 10;
/** The longest input. Two seeds are longer, for a table of 300 KB in them, and would take most of the time. */
const BYTES_MAX = 16_384;
/** Inputs that a target must have had. */
const WANTED = { template: 20_000, tokenizer: 20_000 };
const WANTED_OF_OTHERS = 150_000;
/** Runs of a target, at most: on a machine this slow there is something wrong. */
const RUNS_MAX = 20;

function cargo(args, options = {}) {
  return spawnSync("cargo", args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, env: { ...process.env, CARGO_INCREMENTAL: "0" }, ...options });
}

/** Runs a target until it has had its inputs, or has failed. */
function fuzzed(target, secs) {
  let all;
  for (let runs = 0; runs < RUNS_MAX; runs += 1) {
    const one = ran(target, secs);
    all = { ...one, secs: secs + (all?.secs ?? 0), executions: one.executions + (all?.executions ?? 0), peak_mb: Math.max(one.peak_mb, all?.peak_mb ?? 0) };
    if (!one.ok || one.executions === 0 || all.executions >= (WANTED[target] ?? WANTED_OF_OTHERS)) break;
  }
  return all;
}

function ran(target, secs) {
  const limits = [`-max_total_time=${secs}`, `-rss_limit_mb=${MEGABYTES}`, `-timeout=${SECS_OF_ONE}`, `-max_len=${BYTES_MAX}`, "-print_final_stats=1"];
  const { status, stderr } = cargo(["+nightly", "fuzz", "run", target, "--", ...limits]);
  const number = (pattern) => Number([...stderr.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return {
    ok: status === 0,
    secs,
    executions: number(/stat::number_of_executed_units:\s+(\d+)/g),
    edges: number(/\bcov: (\d+)/g),
    features: number(/\bft: (\d+)/g),
    corpus: number(/\bcorp: (\d+)/g),
    peak_mb: number(/stat::peak_rss_mb:\s+(\d+)/g),
    ...(status === 0 ? {} : { said: stderr.trim().split("\n").slice(-12) }),
  };
}

export function run({ state, save, log }) {
  if (cargo(["+nightly", "fuzz", "--version"]).status !== 0) {
    throw new Plain("this needs nightly Rust and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz");
  }
  const seeds = cargo(["run", "--quiet", "--profile", "test", "-p", "hostile", "--example", "seeds", "--", join(FUZZ, "corpus")]);
  if (seeds.status !== 0) throw new Plain(`the seeds could not be written: ${seeds.stderr}`);
  const secs = Number(process.env.DORAN_FUZZ_SECS ?? 600);
  state.targets ??= {};
  for (const target of readdirSync(join(FUZZ, "targets")).map((file) => file.replace(/\.rs$/, "")).sort()) {
    if (state.targets[target] !== undefined) continue;
    state.targets[target] = fuzzed(target, secs);
    save();
    log(`${target}: ${JSON.stringify(state.targets[target])}`);
  }
  const all = Object.values(state.targets);
  const crashes = filesUnder(join(FUZZ, "artifacts")).length;
  const isDone = ([name, { ok, executions }]) => ok && executions >= (WANTED[name] ?? WANTED_OF_OTHERS);
  const failed = Object.entries(state.targets).filter((target) => !isDone(target)).length;
  return { passed: all.length - failed, failed, artifacts: crashes, targets: state.targets };
}
