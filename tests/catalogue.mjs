/**
 * `pkg/models.json` is sound: every field there, nothing claimed without a source, ids unique, licences marked, architectures known
 * or named as unknown, written in the one way. The checks themselves are held to faults made on purpose.
 *
 * `node tests/catalogue.mjs [--write]`: with `--write`, writes the file anew in that way before it is checked.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { architectures, canonical, CATALOGUE, problems } from "../scripts/lib/catalogue.mjs";
import { entry, options } from "../scripts/lib/util.mjs";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const fact = (value, more = {}) => ({ value, source: "https://example.org/model", verified: true, ...more });
const nothing = () => ({ value: null, source: null, verified: false });

/** A sound entry to break. */
const sound = () => ({
  id: "some-1b", name: "Some 1B", goodFor: "Short answers.", unsupported: null, large: false,
  source: fact("hf:some/Some-1B-GGUF/some-1b-q4_k_m.gguf"), revision: fact(COMMIT), architecture: fact("llama"),
  parameters: fact(1e9, { approximate: true }), quantisation: fact("Q4_K_M"), bytes: nothing(), languages: fact(["en", "ko"]), context: fact(8192),
  license: { name: fact("Apache-2.0"), url: fact("https://example.org/LICENSE"), nonCommercial: fact(false), gated: fact(false) },
});

/** Faults, each made in an entry of its own. */
const FAULTS = {
  "a field is missing": (model) => delete model.context,
  "a field that nobody knows": (model) => { model.stars = 5; },
  "a licence's field is missing": (model) => delete model.license.gated,
  "no licence": (model) => delete model.license,
  "a value without a source": (model) => { model.bytes = { value: 5, source: null, verified: true }; },
  "a value that is not verified": (model) => { model.context.verified = false; },
  "nothing, verified": (model) => { model.bytes.verified = true; },
  "nothing, with a source": (model) => { model.bytes.source = "https://example.org"; },
  "a plain http source": (model) => { model.context.source = "http://example.org"; },
  "a source that is a sentence": (model) => { model.context.source = "the model card"; },
  "a bare value in place of a fact": (model) => { model.context = 8192; },
  "bytes that are a text": (model) => { model.bytes = fact("1.06 GB"); },
  "a context of zero": (model) => { model.context.value = 0; },
  "an abbreviated commit": (model) => { model.revision.value = COMMIT.slice(0, 7); },
  "a commit that is rounded": (model) => { model.revision.approximate = true; },
  "a language by its name": (model) => { model.languages.value = ["Korean"]; },
  "a language twice": (model) => { model.languages.value = ["en", "en"]; },
  "an id with spaces": (model) => { model.id = "Some 1B"; },
  "a source that is no hub path": (model) => { model.source.value = "some/Some-1B"; },
  "no source": (model) => { model.source = nothing(); },
  "a format that does not exist": (model) => { model.quantisation.value = "4bit"; },
  "an architecture that doran does not know": (model) => { model.architecture.value = "hal9000"; },
  "a known architecture that is called unknown": (model) => { model.unsupported = "architecture"; },
  "a reason that is none": (model) => { model.unsupported = "mood"; },
  "a large model that is not marked": (model) => { model.parameters.value = 10.7e9; },
  "a small model that is marked large": (model) => { model.large = true; },
  "a non-commercial licence by its name": (model) => { model.license.name.value = "Some License 1.1 - NC"; },
  "a gated publisher": (model) => { model.source.value = "hf:meta-llama/Some-1B"; },
  "a flag of a licence that is a text": (model) => { model.license.gated.value = "no"; },
  "what it is good for without a sentence": (model) => { model.goodFor = ""; },
};

entry(async () => {
  const { write } = options(process.argv.slice(2), ["write"]);
  const known = architectures();
  const results = [];
  const check = (what, found) => results.push([what, found]);

  if (write) writeFileSync(CATALOGUE, canonical(JSON.parse(readFileSync(CATALOGUE, "utf8"))));
  const text = readFileSync(CATALOGUE, "utf8");
  const models = JSON.parse(text);
  check("the catalogue", problems(models, known));
  check("how it is written", text === canonical(models) ? [] : ["not in the one way; run: node tests/catalogue.mjs --write"]);

  check("a sound entry", problems([sound()], known));
  check("an entry twice", problems([sound(), sound()], known).length > 0 ? [] : ["nothing found"]);
  check("an empty catalogue", problems([], known).length > 0 ? [] : ["nothing found"]);
  check("an unknown architecture that is named so", problems([{ ...sound(), architecture: fact("hal9000"), unsupported: "architecture" }], known));
  for (const [what, breakIt] of Object.entries(FAULTS)) {
    const model = sound();
    breakIt(model);
    check(what, problems([model], known).length > 0 ? [] : ["nothing found"]);
  }

  const failed = results.filter(([, found]) => found.length > 0);
  for (const [what, found] of failed) for (const problem of found) console.log(`${what}: ${problem}`);
  const facts = models.flatMap(({ license, ...rest }) => [...Object.values(rest), ...Object.values(license ?? {})]).filter((field) => field !== null && typeof field === "object");
  console.log(`${models.length} models, ${facts.filter((field) => field.verified).length} of ${facts.length} facts verified`);
  console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length > 0 ? 1 : 0;
});
