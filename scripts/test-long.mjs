/**
 * `npm run test:long -- <suite>`: what takes longer than `npm test` may. Each file of tests/long is a suite and exports
 * `title` and `run(context)`; it may be stopped and started again, and ends with a dated record in docs/reliability.
 * `--list` names them; `--check` fails where a record is missing or tells of a failure.
 *
 * The context: `state` (kept between runs as JSON), `save()`, `log(line)`, `build()`, and `seeds(count)`, always the same.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { FOR, need, needNodeModules } from "./lib/toolchain.mjs";
import { CACHE, entry, hashOf, options, Plain, ROOT, say } from "./lib/util.mjs";

const SUITES = join(ROOT, "tests/long");
const RECORDS = join(ROOT, "docs/reliability");
const SOURCES = ["Cargo.lock", "src", "shaders", "pkg/src"].map((path) => join(ROOT, path));

const names = () => (existsSync(SUITES) ? readdirSync(SUITES).filter((file) => file.endsWith(".mjs")).map((file) => basename(file, ".mjs")).sort() : []);
const recordOf = (name) => join(RECORDS, `${name}.json`);

/** Numbers that are the same on every machine (splitmix32). */
function* numbers() {
  for (let state = 0x9e3779b9; ; state = (state + 0x9e3779b9) >>> 0) {
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    yield (z ^ (z >>> 15)) >>> 0;
  }
}

function seeds(count) {
  const source = numbers();
  return Array.from({ length: count }, () => source.next().value);
}

async function runSuite(name) {
  const { title, run } = await import(pathToFileURL(join(SUITES, `${name}.mjs`)).href);
  const source = hashOf(SOURCES).slice(0, 16);
  const stateFile = join(CACHE, "long", `${name}.json`);
  const kept = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, "utf8")) : undefined;
  // What was done with other sources proves nothing of these.
  const state = kept?.source === source ? kept : { source, begun: new Date().toISOString() };
  const save = () => {
    mkdirSync(join(CACHE, "long"), { recursive: true });
    writeFileSync(stateFile, JSON.stringify(state));
  };
  say(`${name}: ${title}${state === kept ? " (going on where it stopped)" : ""}`);
  const result = await run({ state, save, log: say, build, seeds });
  mkdirSync(RECORDS, { recursive: true });
  const record = { suite: name, title, date: new Date().toISOString().slice(0, 10), source, ...result };
  writeFileSync(recordOf(name), `${JSON.stringify(record, null, 2)}\n`);
  rmSync(stateFile, { force: true });
  console.log(`${name}: ${result.passed} passed, ${result.failed} failed; written to docs/reliability/${name}.json`);
  if (result.failed > 0) process.exitCode = 1;
}

/** Whether each suite has a record without failures. An old record is no failure: it says which sources it is of. */
function check() {
  let failed = 0;
  const source = hashOf(SOURCES).slice(0, 16);
  for (const name of names()) {
    const record = existsSync(recordOf(name)) ? JSON.parse(readFileSync(recordOf(name), "utf8")) : undefined;
    const ok = record !== undefined && record.failed === 0 && record.passed > 0;
    if (!ok) failed += 1;
    const age = record === undefined ? "no record" : `${record.date}, ${record.source === source ? "these sources" : `sources ${record.source}`}`;
    console.log(`${ok ? "ok" : "FAILED"} ${name}: ${age}`);
  }
  console.log(`${names().length - failed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

entry(async () => {
  const opts = options(process.argv.slice(2), ["check", "list"]);
  if (opts.check) return check();
  if (opts.list) return console.log(names().join("\n"));
  const [name] = opts._;
  if (!names().includes(name)) throw new Plain(`test:long wants one of: ${names().join(", ") || "(there are none yet)"}`);
  await needNodeModules();
  await need(FOR.test);
  await runSuite(name);
});
