/**
 * `node benches/constrained.mjs [--wasm DIR] [--seeds N]`, after `npm run build`: what a mask costs in WebAssembly, with the vocabulary
 * of SmolLM2 (49,152 tokens). Node runs the module that pages run. Tokens are drawn by chance among those that the mask allows, so
 * strings are long and odd; a model's answers ask for less.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bringModel, MODEL } from "../scripts/model.mjs";
import { entry, options, ROOT } from "../scripts/lib/util.mjs";
import { greedy, vocabularyOf } from "../scripts/lib/vocabulary.mjs";

/** Milliseconds that a mask may take. */
const LIMITS = { p50: 0.5, p95: 2 };
const STEPS = 300;

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 40 },
    age: { type: "integer", minimum: 0, maximum: 150 },
    email: { type: "string", format: "email" },
    tags: { type: "array", items: { enum: ["new", "old", "unknown"] }, maxItems: 5 },
  },
  required: ["name", "age", "tags"],
  additionalProperties: false,
};
const TREE = {
  $defs: { node: { type: "object", properties: { label: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/node" } } }, required: ["label", "children"] } },
  $ref: "#/$defs/node",
};
const CALL = {
  anyOf: ["weather", "search", "mail", "timer"].map((name) => ({
    type: "object",
    properties: { tool: { const: name }, arguments: { type: "object", properties: { query: { type: "string" }, count: { type: "number" } }, required: ["query"] } },
    required: ["tool", "arguments"],
    additionalProperties: false,
  })),
};
const CASES = [
  ["a person", "json_schema", JSON.stringify(PERSON)],
  ["a tree", "json_schema", JSON.stringify(TREE)],
  ["a tool call", "json_schema", JSON.stringify(CALL)],
  ["any object", "json_object", ""],
  ["a string", "json_schema", JSON.stringify({ type: "string" })],
  ["a date, by regex", "regex", "(19|20)\\d{2}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])"],
  ["words, by regex", "regex", "([A-Z][a-z]+ ){1,60}"],
  ["sums, by Lark", "lark", "start: term ((\"+\" | \"-\") term)*\nterm: /[0-9]+/ | \"(\" start \")\"\n"],
];

/** A number in [0, 1) that depends on the seed and the step alone. */
function hash(seed, step) {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(step + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
}

/** The ids of a mask's bits. */
function idsOf(mask) {
  const ids = [];
  mask.forEach((word, at) => {
    for (let bits = word; bits !== 0; bits = (bits & (bits - 1)) >>> 0) ids.push(32 * at + 31 - Math.clz32(bits & -bits));
  });
  return ids;
}

/** One answer; puts the milliseconds of its masks into `times`, and gives its forced tokens and all. */
function answer(constraint, seed, times) {
  let [forced, step] = [0, 0];
  while (!constraint.isOver() && step < STEPS) {
    for (const id of constraint.forced()) {
      constraint.commit(id);
      forced += 1;
      step += 1;
    }
    if (constraint.isOver()) break;
    const begun = performance.now();
    const mask = constraint.mask();
    times.push(performance.now() - begun);
    const ids = idsOf(mask);
    constraint.commit(ids[Math.floor(hash(seed, step) * ids.length)]);
    step += 1;
  }
  return { forced, step };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const ms = (value) => value.toFixed(3).padStart(8);

entry(async () => {
  const { wasm = join(ROOT, "pkg/wasm"), seeds = "5" } = options(process.argv.slice(2));
  const { default: init, WasmVocabulary } = await import(pathToFileURL(join(wasm, "doran_constrained.js")).href);
  await init({ module_or_path: readFileSync(join(wasm, "doran_constrained_bg.wasm")) });
  const { tokens, special, eos } = vocabularyOf(await bringModel(MODEL));
  const bytes = new Uint8Array(tokens.reduce((sum, token) => sum + token.length, 0));
  const ends = new Uint32Array(tokens.length);
  let at = 0;
  tokens.forEach((token, id) => { bytes.set(token, at); at += token.length; ends[id] = at; });

  const begun = performance.now();
  const vocabulary = new WasmVocabulary(bytes, ends, tokens.length, Uint32Array.from(special), Uint32Array.from(eos), greedy(tokens, special));
  console.log(`the trie of ${tokens.length} tokens: ${(performance.now() - begun).toFixed(0)} ms; a mask has ${Math.ceil(tokens.length / 32) * 4} bytes`);
  console.log("                      built      p50      p95     most   masks  forced");
  const all = [];
  for (const [name, kind, text] of CASES) {
    const times = [];
    const built = [];
    let [forced, steps] = [0, 0];
    for (let seed = 0; seed < Number(seeds); seed += 1) {
      const from = performance.now();
      const constraint = vocabulary.constraint(kind, text);
      built.push(performance.now() - from);
      const run = answer(constraint, seed, times);
      forced += run.forced;
      steps += run.step;
      constraint.free();
    }
    all.push(...times);
    const sorted = times.toSorted((a, b) => a - b);
    const mean = built.reduce((sum, one) => sum + one, 0) / built.length;
    console.log(`${name.padEnd(18)}${ms(mean)} ${ms(quantile(sorted, 0.5))} ${ms(quantile(sorted, 0.95))} ${ms(sorted.at(-1))} ${String(times.length).padStart(7)} ${((100 * forced) / steps).toFixed(0).padStart(5)} %`);
  }
  const sorted = all.toSorted((a, b) => a - b);
  const found = { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
  console.log(`all: p50 ${ms(found.p50).trim()} ms of ${LIMITS.p50}, p95 ${ms(found.p95).trim()} ms of ${LIMITS.p95}`);
  if (found.p50 > LIMITS.p50 || found.p95 > LIMITS.p95) process.exitCode = 1;
});
