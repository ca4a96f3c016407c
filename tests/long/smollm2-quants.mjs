/** Every quantisation of SmolLM2 that llama.cpp makes, in the browser, against llama.cpp in f32 on the same weights dequantised. */
import { join } from "node:path";
import { evaluate } from "../../scripts/eval.mjs";
import { defaultModel, modelsDir } from "../../scripts/model.mjs";
import { ROOT, run as command, sha256 } from "../../scripts/lib/util.mjs";
import { greedyAgrees, maxAbs, readJson, Report } from "../goldens/lib.mjs";

export const title = "SmolLM2-135M in every type that llama.cpp makes: logits, greedy text and perplexity against llama.cpp in f32";

/** The references' own spread is 4e-4 (two engines over 1430 positions, tests/goldens). */
const TOLERANCE = 1e-3;
/** Perplexity of the long text: f32 maths in another order. */
const PERPLEXITY_TOLERANCE = 1e-3;
const FOLDER = "smollm2-variants";

export async function run({ build, log, state, save }) {
  const { prompts, variants } = readJson("quantize", "smollm2-variants.json");
  const folder = join(modelsDir(), FOLDER);
  const names = Object.keys(variants);
  await command("python3", [join(ROOT, "scripts/smollm2-variants.py"), await defaultModel(), folder, ...names], { quiet: true });
  await build({ demo: false });
  state.done ??= {};
  for (const name of names) {
    state.done[name] ??= await check(name, variants[name], prompts, join(folder, `smollm2-${name}.gguf`));
    save();
    const { passed, failed, largest, perplexity } = state.done[name];
    log(`${name}: ${passed} passed, ${failed} failed, logits off by ${largest}, perplexity ${perplexity}`);
  }
  const sum = (of) => Object.values(state.done).reduce((total, done) => total + done[of], 0);
  return { passed: sum("passed"), failed: sum("failed"), variants: state.done };
}

async function check(name, { sha256: hash, ppl192, golden }, { long, ...prompts }, model) {
  const report = new Report();
  report.check(`${name}: is the file of the references`, await sha256(model) === hash);
  const requests = Object.entries(golden).flatMap(([id, { greedy_ids }]) => [
    { kind: "logits", input_ids: prompts[id] }, { kind: "greedy", input_ids: prompts[id], max_new_tokens: greedy_ids.length },
  ]);
  const out = await evaluate({ model, requests: [...requests, { kind: "nll", input_ids: long }], loadOptions: { kvCache: "f32", context: 1024 } });
  if (!report.check(`${name}: loads`, out.load_error === undefined, JSON.stringify(out.load_error))) return { ...report };
  const results = out.results.values();
  let largest = 0;
  for (const [id, { top10, greedy_ids, greedy_margins }] of Object.entries(golden)) {
    const logits = report.result(`${name}: logits of ${id}`, results.next().value)?.last_logits;
    const difference = maxAbs(top10.map(([token]) => logits?.[token] ?? NaN), top10.map(([, value]) => value));
    largest = Math.max(largest, difference);
    report.check(`${name}: logits of ${id}`, difference <= TOLERANCE, `off by ${difference}`);
    const greedy = report.result(`${name}: greedy after ${id}`, results.next().value)?.output_ids ?? [];
    report.check(`${name}: greedy after ${id}`, greedyAgrees(greedy, greedy_ids, greedy_margins, TOLERANCE), `${greedy} for ${greedy_ids}`);
  }
  const nll = report.result(`${name}: the long text`, results.next().value)?.nll ?? [NaN];
  const perplexity = Math.exp(nll.reduce((sum, x) => sum + x, 0) / nll.length);
  report.check(`${name}: perplexity`, Math.abs(perplexity / ppl192 - 1) <= PERPLEXITY_TOLERANCE, `${perplexity} for ${ppl192}`);
  return { passed: report.passed, failed: report.failed, largest, perplexity };
}
