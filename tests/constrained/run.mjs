/**
 * What the native tests answer under constraints is what others take: JSON by ajv (2020-12, formats asserted), text by JavaScript's own
 * RegExp from begin to end. Nothing may be invalid, and nothing may be missing.
 *
 * `node tests/constrained/run.mjs` runs the native test that answers, and judges.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CACHE, entry, Plain, run } from "../../scripts/lib/util.mjs";
import { CASES, FIXTURE, fixture } from "./cases.mjs";
import { judge } from "./judge.mjs";

const ANSWERS = join(CACHE, "constrained/answers.jsonl");
/** Schemas at least. */
const LEAST = 200;

/** What is wrong with the answers. */
function problems(answers) {
  const wrong = [];
  const seen = CASES.map(() => new Set());
  for (const { case: i, seed, answer } of answers) {
    seen[i].add(seed);
    const why = judge(CASES[i], answer);
    if (why !== undefined) wrong.push(`case ${i}, seed ${seed}: ${why}\n  ${CASES[i].text}\n  ${JSON.stringify(answer)}`);
  }
  const most = Math.max(...seen.map((seeds) => seeds.size));
  seen.forEach((seeds, i) => { if (seeds.size !== most || most === 0) wrong.push(`case ${i} has ${seeds.size} answers of ${most}`); });
  return wrong;
}

entry(async () => {
  if (readFileSync(FIXTURE, "utf8") !== fixture()) throw new Plain("the fixture is not what cases.mjs makes; run: node tests/constrained/cases.mjs");
  // Answers of another time prove nothing.
  rmSync(ANSWERS, { force: true });
  // The whole workspace, so that nothing is compiled again with features of its own.
  await run("cargo", ["test", "--workspace", "--test", "constrained", "answers_to_all_cases"]);
  if (!existsSync(ANSWERS)) throw new Plain("the native test wrote no answers");
  const answers = readFileSync(ANSWERS, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const nSchemas = CASES.filter(({ kind }) => kind === "json_schema").length;
  const wrong = problems(answers);
  if (nSchemas < LEAST) wrong.push(`${nSchemas} schemas are fewer than ${LEAST}`);
  // The judge itself: an answer that is spoiled on purpose is found, whatever the constraint.
  const spoiled = answers.filter(({ case: i, answer }) => CASES[i].text.length > 0 && judge(CASES[i], `${answer}\u0000`) === undefined);
  const canTakeIt = /\[\^|\\s\\S|\^\.|^\.\{/;
  for (const { case: i } of spoiled) if (!canTakeIt.test(CASES[i].text)) wrong.push(`case ${i}: a spoiled answer is taken: ${CASES[i].text}`);
  for (const line of wrong) console.log(line);
  const distinct = new Set(answers.map(({ case: i, answer }) => `${i} ${answer}`)).size;
  console.log(`${answers.length} answers (${distinct} of them different) to ${CASES.length} constraints, ${nSchemas} of them schemas: ${wrong.length === 0 ? "all valid" : `${wrong.length} problems`}`);
  if (wrong.length > 0) process.exitCode = 1;
});
