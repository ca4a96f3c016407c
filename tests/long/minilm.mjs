/** all-MiniLM-L6-v2, a real encoder, in the browser, against what transformers makes of the same files. */
import { evaluate } from "../../scripts/eval.mjs";
import { bringFolder, MINILM } from "../../scripts/model.mjs";
import { maxAbs, readJson, Report, sameIds } from "../goldens/lib.mjs";

export const title = "all-MiniLM-L6-v2: token ids and embeddings against transformers in f32";

/** The references are written to six digits of values below 0.2. */
const TOLERANCE = 2e-6;
/** The references cut longer texts off here. */
const LONGEST = 256;

export async function run({ build, log }) {
  const golden = readJson("real", "all-minilm-l6-v2.json");
  const model = await bringFolder(MINILM);
  await build({ demo: false });
  const report = new Report();
  const short = golden.cases.filter(({ ids }) => ids.length < LONGEST);
  const requests = [
    ...golden.cases.map(({ text }) => ({ kind: "tokenize", text, add_special_tokens: true })),
    ...golden.cases.map(({ ids }) => ({ kind: "logits", input_ids: ids })),
    { kind: "embed", texts: short.map(({ text }) => text) },
  ];
  const out = await evaluate({ model, requests });
  if (!report.check("load", out.load_error === undefined, JSON.stringify(out.load_error))) return { passed: report.passed, failed: report.failed };
  const results = out.results.values();
  for (const { text, ids } of golden.cases) {
    const got = results.next().value.ids ?? [];
    report.check(`tokenize ${JSON.stringify(text).slice(0, 40)}`, sameIds([...got.slice(0, ids.length - 1), ...got.slice(-1)], ids));
  }
  let largest = 0;
  const compare = (name, row, embedding) => {
    const difference = maxAbs(row, embedding);
    largest = Math.max(largest, difference);
    report.check(name, difference <= TOLERANCE, `off by ${difference}`);
  };
  for (const { ids, embedding } of golden.cases) {
    const name = `embedding of ${ids.length} tokens`;
    compare(name, report.result(name, results.next().value)?.mean_pool, embedding);
  }
  const rows = report.result("embeddings of all texts", results.next().value)?.embeddings ?? [];
  for (const [i, { text, embedding }] of short.entries()) compare(`embedding of ${JSON.stringify(text)}`, rows[i], embedding);
  log(`embeddings are off by ${largest} at most`);
  return { passed: report.passed, failed: report.failed, largest_error: largest, load: out.load };
}
