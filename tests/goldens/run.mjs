/**
 * The built package, in the browser, against the results of other engines.
 *
 * `node tests/goldens/run.mjs [arch …] [--backend reference] [--skip-real] [--only-real] [--no-build] [--record]`
 *
 * On each change one architecture of each kind is taken here (all of them natively, by `tests/models.rs`), half as a folder and half as a GGUF
 * file, and two of the real model's prompts with half floats. Named ones are taken as both, and all of everything with `--record`, which keeps
 * what was found in `docs/reliability/goldens.json`, of which `docs/models.md` is made.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.mjs";
import { evaluate } from "../../scripts/eval.mjs";
import { entry, options, ROOT } from "../../scripts/lib/util.mjs";
import { writeModelsPage } from "../../scripts/models-page.mjs";
import { defaultModel } from "../../scripts/model.mjs";
import { greedyAgrees, maxAbs, readJson, Report, sameIds, top1Agrees, ZOO } from "./lib.mjs";

/** Tiny random models of these architectures must come out right: all that there are. */
const ARCHITECTURES = readdirSync(join(ZOO, "arch"));
/** One of each kind of block: of encoders, both kinds of encoder-decoders, positions, norms, windows, experts, states and convolutions. */
const KINDS = [
  "bert", "blenderbot", "bloom", "cohere2", "exaone4", "falcon", "gemma3", "gpt2", "gpt_oss", "lfm2", "llama", "mamba", "phi3_longrope", "qwen2_moe",
  "qwen3", "rwkv", "t5",
];
/** f32 maths on tiny models: the references themselves differ by up to 5e-5. */
const TINY_TOLERANCE = 1e-4;
/** Of a value of a row of length 1. */
const EMBEDDING_TOLERANCE = 1e-5;
/** The real model: by the precision of the KV cache. */
const REAL_TOLERANCE = { f32: 1e-3, f16: 5e-2 };
/** What half floats are looked at with on each change: Korean, and the text whose perplexity is measured. */
const IN_HALF_FLOATS = ["ko_capital", "long"];
/** Of the long text's perplexity. */
const PERPLEXITY_TOLERANCE = 0.005;

/** A model's files as they are offered, the folder and the GGUF: both of them, or one. */
function formsOf(arch, golden, isWhole) {
  const forms = [["folder", join(ZOO, "arch", arch)], ...(golden.gguf ? [["gguf", join(ZOO, "arch", arch, golden.gguf)]] : [])]
    .filter(([, path]) => existsSync(path));
  return isWhole ? forms : [forms[KINDS.indexOf(arch) % forms.length]];
}

/** What was found of each model: `{ model_type, name, form, checks, failed, worst }`, the last its largest error. */
const found = [];

/** Browsers at once: a model's kernels compile on one core. */
const AT_ONCE = 2;

/** Checks all of `names`, some at a time. */
async function checkArchitectures(names, report, loadOptions, isWhole) {
  const left = names.values();
  const work = async () => {
    for (const arch of left) await checkArchitecture(arch, report, loadOptions, isWhole);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  found.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

async function checkArchitecture(arch, all, loadOptions, isWhole) {
  const { model_type } = readJson("arch", arch, "config.json");
  const golden = readJson("arch", arch, "golden.json");
  for (const [form, model] of formsOf(arch, golden, isWhole)) {
    const name = `${arch} (${form})`;
    const report = new Report();
    let worst = 0;
    const requests = [
      ...golden.prompts.map(({ ids, decoder_ids }) => ({ kind: "logits", input_ids: ids, ...(decoder_ids === undefined ? {} : { decoder_input_ids: decoder_ids }) })),
      ...(golden.greedy === undefined ? [] : [{ kind: "greedy", input_ids: golden.greedy.prompt, max_new_tokens: golden.greedy.ids.length }]),
      ...golden.tokenizer_cases.flatMap(({ text, ids }) => [
        { kind: "tokenize", text, add_special_tokens: false }, { kind: "tokenize", text, add_special_tokens: true }, { kind: "detokenize", ids },
      ]),
    ];
    const out = await evaluate({ model, requests, loadOptions: { kvCache: "f32", ...loadOptions } });
    if (!report.check(`${name}: load`, out.load_error === undefined, JSON.stringify(out.load_error))) {
      all.add(report);
      continue;
    }
    const results = out.results.values();
    for (const { ids, first_logits, last_logits, top1, top1_margin, mean_pool, cls_pool } of golden.prompts) {
      const got = report.result(`${name}: logits of ${ids.length} tokens`, results.next().value);
      if (got === undefined) continue;
      if (mean_pool !== undefined) {
        const differences = [maxAbs(got.mean_pool, mean_pool), maxAbs(got.cls_pool, cls_pool)];
        worst = Math.max(worst, ...differences);
        report.check(`${name}: embedding of ${ids.length} tokens`, Math.max(...differences) <= EMBEDDING_TOLERANCE, `off by ${differences}`);
        continue;
      }
      const difference = maxAbs(got.last_logits, last_logits);
      worst = Math.max(worst, difference);
      report.check(`${name}: logits of ${ids.length} tokens`, difference <= TINY_TOLERANCE, `off by ${difference}`);
      if (first_logits !== undefined) {
        const off = maxAbs(got.first_logits, first_logits);
        report.check(`${name}: first logits for ${ids.length} tokens`, off <= TINY_TOLERANCE, `off by ${off}`);
      }
      report.check(`${name}: likeliest of ${ids.length} tokens`, top1Agrees(got.top1, top1, top1_margin, TINY_TOLERANCE));
    }
    const output_ids = golden.greedy === undefined ? undefined : results.next().value.output_ids;
    if (golden.greedy !== undefined) report.check(`${name}: greedy`, greedyAgrees(output_ids, golden.greedy.ids, golden.greedy.margins, TINY_TOLERANCE), `${output_ids} for ${golden.greedy.ids}`);
    for (const { text, ids, ids_special, decoded } of golden.tokenizer_cases) {
      const [plain, special, back] = [results.next().value, results.next().value, results.next().value];
      const shown = JSON.stringify(text).slice(0, 40);
      report.check(`${name}: tokenize ${shown}`, sameIds(plain.ids, ids), `${plain.ids} for ${ids}`);
      report.check(`${name}: tokenize with special tokens ${shown}`, sameIds(special.ids, ids_special), `${special.ids} for ${ids_special}`);
      report.check(`${name}: detokenize ${shown}`, back.text === decoded, `${JSON.stringify(back.text)} for ${JSON.stringify(decoded)}`);
    }
    const { passed, failed } = report;
    all.add(report);
    found.push({ model_type, name: arch, form, checks: passed + failed, failed, worst: Number(worst.toPrecision(2)) });
    console.log(`${name}: done (${all.failed} failed so far)`);
  }
}

function checkTokens(report, results, golden, fuzz) {
  for (const { id, ids } of golden.prompts) report.check(`real: tokenize ${id}`, sameIds(results.next().value.ids, ids));
  for (const { text, ids } of fuzz.agree) report.check(`real: tokenize ${JSON.stringify(text)}`, sameIds(results.next().value.ids, ids));
  for (const { rendered, rendered_nogen } of golden.chats) {
    report.check("real: chat template", results.next().value.text === rendered);
    report.check("real: chat template without the answer's beginning", results.next().value.text === rendered_nogen);
  }
}

function checkLogits(report, name, results, golden, tolerance) {
  for (const { id, f32 } of golden.prompts) {
    const logits = report.result(`${name}: logits of ${id}`, results.next().value)?.last_logits;
    const difference = maxAbs(f32.top20.map(([token]) => logits?.[token] ?? NaN), f32.top20.map(([, value]) => value));
    report.check(`${name}: logits of ${id}`, difference <= tolerance, `off by ${difference}`);
    const { output_ids } = results.next().value;
    report.check(`${name}: greedy after ${id}`, greedyAgrees(output_ids, f32.greedy.ids, f32.greedy.margins, tolerance), `${output_ids} for ${f32.greedy.ids}`);
  }
  for (const { id, f32 } of golden.prompts.filter(({ f32: { nll } }) => nll !== undefined)) {
    const nll = report.result(`${name}: likelihoods of ${id}`, results.next().value)?.nll ?? [];
    const perplexity = Math.exp(nll.reduce((sum, x) => sum + x, 0) / nll.length);
    const off = Math.abs(perplexity / f32.ppl - 1);
    report.check(`${name}: perplexity of ${id}`, nll.length === f32.nll.length && off <= PERPLEXITY_TOLERANCE, `${perplexity} for ${f32.ppl}`);
  }
}

/** SmolLM2: text exact, logits within the tolerance of each KV precision. */
async function checkReal(report, loadOptions, isWhole) {
  const all = readJson("real", "smollm2-135m-instruct-q4_1.json");
  const fuzz = readJson("real", "smollm2-135m-instruct-q4_1.tokfuzz.json");
  const model = await defaultModel();
  const tokens = [
    ...all.prompts.map(({ text }) => ({ kind: "tokenize", text, add_special_tokens: true })),
    ...fuzz.agree.map(({ text }) => ({ kind: "tokenize", text, add_special_tokens: false })),
    ...all.chats.flatMap(({ messages }) => [true, false].map((add) => ({ kind: "chat_template", messages, add_generation_prompt: add }))),
  ];
  for (const [kvCache, tolerance] of Object.entries(REAL_TOLERANCE)) {
    const first = kvCache === "f32";
    const golden = first || isWhole ? all : { prompts: all.prompts.filter(({ id }) => IN_HALF_FLOATS.includes(id)) };
    const numbers = [
      ...golden.prompts.flatMap(({ ids, f32 }) => [
        { kind: "logits", input_ids: ids }, { kind: "greedy", input_ids: ids, max_new_tokens: f32.greedy.ids.length },
      ]),
      ...golden.prompts.filter(({ f32 }) => f32.nll !== undefined).map(({ ids }) => ({ kind: "nll", input_ids: ids })),
    ];
    const out = await evaluate({ model, requests: [...(first ? tokens : []), ...numbers], loadOptions: { kvCache, ...loadOptions } });
    if (!report.check(`real (KV ${kvCache}): load`, out.load_error === undefined, JSON.stringify(out.load_error))) continue;
    const results = out.results.values();
    if (first) {
      checkTokens(report, results, all, fuzz);
      const grown = out.load.peak_wasm_bytes_grown - out.load.tokenizer_bytes;
      report.check("real: the heap grows by at most 32 MiB, tokenizer apart", grown <= 32 * 2 ** 20, `${grown} bytes`);
    }
    checkLogits(report, `real (KV ${kvCache})`, results, golden, tolerance);
    console.log(`real (KV ${kvCache}): done (${report.failed} failed so far)`);
  }
}

entry(async () => {
  const opts = options(process.argv.slice(2), ["skip-real", "only-real", "no-build", "record"]);
  if (!opts["no-build"]) await build({ demo: false });
  const report = new Report();
  const loadOptions = opts.backend === undefined ? {} : { backend: opts.backend };
  const named = opts.record === true ? ARCHITECTURES : opts._;
  if (!opts["only-real"]) await checkArchitectures(named.length > 0 ? named : KINDS, report, loadOptions, named.length > 0);
  if (!opts["skip-real"] && opts._.length === 0) await checkReal(report, loadOptions, opts.record === true);
  if (opts.record === true) {
    const record = { date: new Date().toISOString().slice(0, 10), models: found };
    writeFileSync(join(ROOT, "docs/reliability/goldens.json"), `${JSON.stringify(record, null, 1)}\n`);
    writeModelsPage();
  }
  console.log(`${report.passed} passed, ${report.failed} failed`);
  if (report.failed > 0) process.exitCode = 1;
});
