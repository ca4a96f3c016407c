/** SmolLM2 in F16 safetensors, quantised while it loads, in the browser: what that costs in perplexity. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { evaluate } from "../../scripts/eval.mjs";
import { defaultModel, modelsDir } from "../../scripts/model.mjs";
import { ROOT, run as command } from "../../scripts/lib/util.mjs";
import { Report, sameIds } from "../goldens/lib.mjs";

export const title = "SmolLM2-135M in F16 safetensors, quantised while it loads: perplexity beside F16 and llama.cpp's Q4_0";

/** Tokens that are read at once. */
const WINDOW = 512;
/** How much larger than F16's a perplexity may be. For Q8_0 it is the requirement; the others are what four bits are known to cost a model this small. */
const ALLOWED = { q8_0: 1.005, q6_k: 1.02, q4_k: 1.25, q4_0: 1.35 };
/** How much larger than that of llama.cpp's Q4_0. */
const ALLOWED_Q4_0 = 1.01;
/** What the weights may take on the GPU, of what they take in F16: scales are words there, so some more than in a file. */
const GPU_SHARE = { q8_0: 0.58, q6_k: 0.57, q4_k: 0.42, q4_0: 0.39 };
const FOLDER = "smollm2-variants";

const perplexity = (rows) => Math.exp(rows.flat().reduce((sum, x) => sum + x, 0) / rows.flat().length);

export async function run({ build, log, state, save }) {
  const text = readFileSync(join(ROOT, "tests/fixtures/quantize/text.txt"), "utf8");
  const folder = join(modelsDir(), FOLDER);
  await command("python3", [join(ROOT, "scripts/smollm2-variants.py"), await defaultModel(), folder, "f16", "Q4_0"], { quiet: true });
  await build({ demo: false });
  const report = new Report();
  const f16 = join(folder, "smollm2-f16");
  const real = statSync(join(f16, "model.safetensors")).size;
  const tokenize = [{ kind: "tokenize", text, add_special_tokens: false }];
  const ids = (await evaluate({ model: f16, requests: tokenize })).results[0].ids;
  const others = (await evaluate({ model: join(folder, "smollm2-Q4_0.gguf"), requests: tokenize })).results[0].ids;
  report.check("both files' tokenizers agree", sameIds(ids, others));
  const windows = Array.from({ length: Math.floor(ids.length / WINDOW) }, (_, i) => ids.slice(i * WINDOW, (i + 1) * WINDOW));
  report.check("at least 2000 tokens", windows.length * WINDOW >= 2000, `${ids.length}`);
  const requests = windows.map((window) => ({ kind: "nll", input_ids: window }));
  state.perplexity ??= {};
  state.loads ??= {};
  for (const [name, model, quantize] of [
    ["f16", f16], ["llama.cpp Q4_0", join(folder, "smollm2-Q4_0.gguf")], ...Object.keys(ALLOWED).map((kind) => [kind, f16, kind]),
  ]) {
    if (state.perplexity[name] === undefined) {
      const out = await evaluate({ model, requests, loadOptions: { kvCache: "f32", context: WINDOW, ...(quantize === undefined ? {} : { quantize }) } });
      if (!report.check(`${name} loads`, out.load_error === undefined, JSON.stringify(out.load_error))) continue;
      const rows = out.results.map((result, i) => report.result(`${name}: window ${i}`, result)?.nll ?? [NaN]);
      state.perplexity[name] = perplexity(rows);
      state.loads[name] = out.load;
      save();
    }
    log(`${name}: perplexity ${state.perplexity[name]}, ${state.loads[name].ms} ms, ${state.loads[name].gpu_bytes} bytes on the GPU`);
  }
  const { perplexity: found, loads } = state;
  for (const [kind, allowed] of Object.entries(ALLOWED)) {
    const ratio = found[kind] / found.f16;
    report.check(`${kind} against F16`, ratio <= allowed, `${ratio}`);
    report.check(`${kind} is read whole`, loads[kind]?.bytes_downloaded >= real);
    const saved = (loads.f16?.gpu_bytes - loads[kind]?.gpu_bytes) / real;
    report.check(`${kind} is smaller`, saved >= 1 - GPU_SHARE[kind], `${saved} of the weights' bytes are saved`);
    report.check(`${kind} passes through the heap in windows`, loads[kind]?.peak_wasm_bytes_grown - loads[kind]?.tokenizer_bytes <= 32 << 20, `${loads[kind]?.peak_wasm_bytes_grown}`);
  }
  const ratio = found.q4_0 / found["llama.cpp Q4_0"];
  report.check("q4_0 against llama.cpp's", ratio <= ALLOWED_Q4_0, `${ratio}`);
  return { passed: report.passed, failed: report.failed, tokens: windows.length * WINDOW, perplexity: found, loads };
}
