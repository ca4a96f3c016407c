/** Gemma 3 270M in Q4_K_M, in the browser, against what other engines make of the same file. */
import { evaluate } from "../../scripts/eval.mjs";
import { bringModel, GEMMA } from "../../scripts/model.mjs";
import { greedyAgrees, maxAbs, readJson, Report, sameIds } from "../goldens/lib.mjs";

export const title = "Gemma 3 270M (Q4_K_M): token ids, logits and greedy text against transformers in f32";

/** The reference's own spread is 7e-5 (f32 maths on the dequantised weights, f32 cache). */
const TOLERANCE = 1e-3;

export async function run({ build, log }) {
  const golden = readJson("real", "gemma-3-270m-q4_k_m.json");
  const fuzz = readJson("real", "gemma-3-270m-q4_k_m.tokfuzz.json");
  const model = await bringModel(GEMMA);
  await build({ demo: false });
  const report = new Report();
  const requests = [
    ...golden.prompts.map(({ text }) => ({ kind: "tokenize", text, add_special_tokens: true })),
    ...fuzz.agree.map(({ text }) => ({ kind: "tokenize", text, add_special_tokens: false })),
    ...golden.prompts.flatMap(({ ids, f32 }) => [
      { kind: "logits", input_ids: ids }, { kind: "greedy", input_ids: ids, max_new_tokens: f32.greedy.ids.length },
    ]),
  ];
  const out = await evaluate({ model, requests, loadOptions: { kvCache: "f32" } });
  if (!report.check("load", out.load_error === undefined, JSON.stringify(out.load_error))) return { passed: report.passed, failed: report.failed };
  const results = out.results.values();
  for (const { id, ids } of golden.prompts) report.check(`tokenize ${id}`, sameIds(results.next().value.ids, ids));
  for (const { text, ids } of fuzz.agree) report.check(`tokenize ${JSON.stringify(text)}`, sameIds(results.next().value.ids, ids));
  let largest = 0;
  for (const { id, f32 } of golden.prompts) {
    const logits = report.result(`logits of ${id}`, results.next().value)?.last_logits;
    const difference = maxAbs(f32.top20.map(([token]) => logits?.[token] ?? NaN), f32.top20.map(([, value]) => value));
    largest = Math.max(largest, difference);
    report.check(`logits of ${id}`, difference <= TOLERANCE, `off by ${difference}`);
    const greedy = report.result(`greedy after ${id}`, results.next().value)?.output_ids ?? [];
    report.check(`greedy after ${id}`, greedyAgrees(greedy, f32.greedy.ids, f32.greedy.margins, TOLERANCE), `${greedy} for ${f32.greedy.ids}`);
  }
  log(`logits are off by ${largest} at most`);
  return { passed: report.passed, failed: report.failed, largest_logit_error: largest, load: out.load };
}
