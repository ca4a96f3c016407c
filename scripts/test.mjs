/**
 * `npm test [-- suite …]`: installs what is missing, then runs the suites in order. `--quick`: those that take little.
 * Each suite's minutes are printed; the last line is `N passed, N failed`. Any failure is exit code 1.
 */
import { spawn } from "node:child_process";
import { FOR, need, needNodeModules } from "./lib/toolchain.mjs";
import { SUITES } from "./lib/suites.mjs";
import { entry, environment, options, Plain, ROOT } from "./lib/util.mjs";
import { defaultModel } from "./model.mjs";

/** How each kind of runner says what it counted: cargo, Playwright, node's own, and the runners here. */
const COUNTS = [
  /test result: \w+\. (?<passed>\d+) passed; (?<failed>\d+) failed/g,
  /^\s+(?<failed>\d+) failed$/gm,
  /^\s+(?<passed>\d+) passed \(/gm,
  /^# pass (?<passed>\d+)$/gm,
  /^# fail (?<failed>\d+)$/gm,
  /^(?<passed>\d+) passed, (?<failed>\d+) failed$/gm,
];

/** Runs a command, shows its output, and keeps it. */
function show(command, args, env) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: ROOT, env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const [stream, out] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
      stream.on("data", (data) => {
        output += data;
        out.write(data);
      });
    }
    child.on("error", (error) => done({ ok: false, output: error.message }));
    child.on("close", (code) => done({ ok: code === 0, output }));
  });
}

/** What a command's output says it counted; a command that counts nothing is one test. */
function count(ok, output) {
  // eslint-disable-next-line no-control-regex -- colours
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  let passed = 0;
  let failed = 0;
  for (const { groups } of COUNTS.flatMap((pattern) => [...plain.matchAll(pattern)])) {
    passed += Number(groups.passed ?? 0);
    failed += Number(groups.failed ?? 0);
  }
  if (passed + failed === 0) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  return { passed, failed: ok ? failed : Math.max(1, failed) };
}

async function runSuite({ commands, env = {} }) {
  const sum = { passed: 0, failed: 0 };
  for (const [command, args] of commands) {
    const { ok, output } = await show(command, args, env);
    const { passed, failed } = count(ok, output);
    sum.passed += passed;
    sum.failed += failed;
  }
  return sum;
}

entry(async () => {
  const opts = options(process.argv.slice(2), ["quick", "list"]);
  if (opts.list) {
    for (const { name, quick } of SUITES) console.log(quick ? `${name} (quick)` : name);
    return;
  }
  const unknown = opts._.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) throw new Plain(`there is no suite ${unknown.join(", ")}; see: npm test -- --list`);
  const chosen = SUITES.filter(({ name, quick }) => (opts._.length > 0 ? opts._.includes(name) : !opts.quick || quick));
  await needNodeModules();
  await need(FOR.test);
  // Native tests and browser tests alike run the real model.
  await defaultModel();

  const total = { passed: 0, failed: 0 };
  const lines = [];
  for (const suite of chosen) {
    if (suite.only?.() === false) {
      lines.push(`  ${suite.name.padEnd(28)} nothing to run`);
      continue;
    }
    console.log(`\n── ${suite.name} ──`);
    const begun = Date.now();
    const { passed, failed } = await runSuite(suite);
    const minutes = ((Date.now() - begun) / 60_000).toFixed(1);
    total.passed += passed;
    total.failed += failed;
    lines.push(`  ${suite.name.padEnd(28)} ${minutes.padStart(5)} min  ${passed} passed, ${failed} failed`);
    console.log(lines.at(-1));
  }
  console.log(`\n${lines.join("\n")}\n${total.passed} passed, ${total.failed} failed`);
  if (total.failed > 0) process.exitCode = 1;
});
