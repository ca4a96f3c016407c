/**
 * `node scripts/models-page.mjs [--check]`
 *
 * Makes `docs/models.md` of what `tests/goldens/run.mjs --record` found, of the records of long suites, and of the sources: which
 * architectures and formats there are, and how each was verified. `--check` fails where the page is not what it would make.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entry, ROOT } from "./lib/util.mjs";

const PAGE = join(ROOT, "docs/models.md");
const read = (...path) => readFileSync(join(ROOT, ...path), "utf8");
const record = (name) => (existsSync(join(ROOT, `docs/reliability/${name}.json`)) ? JSON.parse(read(`docs/reliability/${name}.json`)) : undefined);

/** The quoted first words of the lines of a Rust table. */
const architectures = () => [...read("src/models/mod.rs").split("const MODELS")[1].matchAll(/^ {4}\("([^"]+)", /gm)].map(([, name]) => name);
const formats = () => [...read("src/quant/mod.rs").split("pub const ALL:")[1].split("];")[0].matchAll(/Self::(\w+),/g)].map(([, name]) => name);

const EXAMPLE = "glm4";
/** The lines of a file that speak of the example. */
const mentions = (...path) => read(...path).split("\n").filter((line) => line.includes(EXAMPLE));
const added = (path, lines) => [`--- ${path}`, ...lines.map((line) => `+${line}`)].join("\n");
const gguf = () => {
  const lines = read("src/format/gguf/archs.rs").split("\n");
  const at = lines.findIndex((line) => line.includes(`gguf: "${EXAMPLE}"`));
  const end = lines.findIndex((line, i) => i > at && /^ {4}\},?$/.test(line));
  return lines.slice(at - 1, end + 1);
};

function table() {
  const { date, models } = record("goldens") ?? { date: "never", models: [] };
  const rows = architectures().flatMap((type) => {
    const of = models.filter(({ model_type }) => model_type === type);
    if (of.length === 0) return [`| ${type} | – | – | *against nothing that other software computed* |`];
    return of.map(({ name, form, checks, failed, worst }) => (
      `| ${type} | ${name} (${form === "gguf" ? "GGUF" : "safetensors"}) | ${checks - failed} of ${checks} | ${worst.toExponential(1)} |`
    ));
  });
  return [
    `Small random checkpoints in F32, in Chromium, ${date}: token ids, logits after 1, 7 and 40 tokens, the likeliest token at every position and`,
    "16 tokens of greedy text (of encoders: both poolings) against what transformers computed. The error is the largest of a last logit, of which",
    "1e-4 is allowed, or of a value of an embedding of length 1, of which 1e-5 is.", "",
    "| architecture (`model_type`) | checkpoint | checks passed | largest error |", "|---|---|---|---|", ...rows,
  ].join("\n");
}

function real() {
  const rows = ["gemma", "minilm"].flatMap((name) => {
    const found = record(name);
    return found === undefined ? [] : [`| ${found.title} | ${found.passed} of ${found.passed + found.failed} | ${found.date} |`];
  });
  return [
    "Real models, in long suites (`npm run test:long`); SmolLM2 135M (Q4_1) is part of `npm test`.", "", "| what | checks passed | when |", "|---|---|---|", ...rows,
  ].join("\n");
}

function page() {
  const steps = [
    added("src/models/mod.rs", mentions("src/models/mod.rs")),
    added("src/format/gguf/archs.rs", gguf()),
    added("scripts/fixtures.sh", mentions("scripts/fixtures.sh")),
    added("tests/models.rs", mentions("tests/models.rs")),
    added(`src/models/${EXAMPLE}.rs`, read(`src/models/${EXAMPLE}.rs`).trimEnd().split("\n")),
  ];
  return [
    "# Models", "",
    "Made by `scripts/models-page.mjs` of test results and sources. What is listed runs from a Hugging Face folder (safetensors in F32, F16 or",
    "BF16, sharded or not) and, where llama.cpp defines it, from one GGUF file.", "",
    "## Architectures", "", table(), "", "## Formats", "",
    `${formats().join(", ")}: each dequantised bit by bit as ggml does (\`tests/quants.rs\`), and in every kernel that reads weights against an f32`,
    "reference, natively and in Chromium (`tests/kernels/`). Any architecture runs in any of them; a file may mix them.", "",
    real(), "", "## Add your architecture", "",
    "All that GLM-4 took, beside a checkpoint with logits in `tests/fixtures/arch/glm4/`. ARCHITECTURE.md has the steps in words.", "",
    "```diff", ...steps.join("\n\n").split("\n"), "```", "",
  ].join("\n");
}

/** Writes the page. */
export function writeModelsPage() {
  writeFileSync(PAGE, page());
}

if (process.argv[1] === import.meta.filename) {
  entry(async () => {
    if (!process.argv.includes("--check")) {
      writeModelsPage();
      return;
    }
    const same = existsSync(PAGE) && readFileSync(PAGE, "utf8") === page();
    if (!same) console.log("docs/models.md is not what results and sources say: node scripts/models-page.mjs");
    console.log(`${Number(same)} passed, ${Number(!same)} failed`);
    if (!same) process.exitCode = 1;
  });
}
