/**
 * The catalogue of models, `pkg/models.json`: its one way of being written, and what must hold of it. The types, with what each
 * field means, are in `pkg/src/catalogue.ts`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./util.mjs";

export const CATALOGUE = join(ROOT, "pkg/models.json");

const isString = (value) => typeof value === "string" && value !== "" && value.trim() === value;
const isBoolean = (value) => typeof value === "boolean";
const isCount = (value) => Number.isSafeInteger(value) && value > 0;
const isSource = (value) => isString(value) && /^hf:[\w.-]+\/[\w.-]+(\/[\w./-]+\.gguf)?$/.test(value);
const isCommit = (value) => isString(value) && /^[0-9a-f]{40}$/.test(value);
const isName = (value) => isString(value) && /^[a-z0-9_]+$/.test(value);
const isFormat = (value) => isString(value) && /^(F32|F16|BF16|(I?Q|TQ)\d\w*|MXFP4)$/.test(value);

function isHttps(value) {
  if (!isString(value)) return false;
  const url = URL.parse?.(value) ?? (URL.canParse(value) ? new URL(value) : null);
  return url !== null && url.protocol === "https:" && url.hostname.includes(".") && url.username === "";
}

/** Distinct tags in the form that BCP 47 gives them. */
function isTags(value) {
  if (!Array.isArray(value) || value.length === 0 || new Set(value).size !== value.length) return false;
  try {
    return value.every((tag) => isString(tag) && Intl.getCanonicalLocales(tag)[0] === tag);
  } catch {
    return false;
  }
}

/** Fields of an entry in their order; those that are facts have the test of their value. */
const PLAIN = ["id", "name", "goodFor", "unsupported", "large"];
const FACTS = {
  source: isSource, revision: isCommit, architecture: isName, parameters: isCount, quantisation: isFormat, bytes: isCount,
  languages: isTags, context: isCount,
};
const LICENSE = { name: isString, url: isHttps, nonCommercial: isBoolean, gated: isBoolean };
const FIELDS = [...PLAIN, ...Object.keys(FACTS), "license"];

/** Facts that may be rounded, or a selection of what the page lists. */
const APPROXIMATE = ["parameters", "bytes", "context", "languages"];
/** A model of so many parameters is marked as large: it takes 4 GB and more in four bits. */
const LARGE_PARAMETERS = 7e9;

/** Licences whose name alone says that they are not for commerce. */
const NON_COMMERCIAL = /\bNC\b|non-?commercial|^OPT-175B\b/i;
/** Publishers whose models the hub gives only to readers who have accepted the terms there. */
const GATED = /^hf:(meta-llama\/|google\/gemma-)/;

/** Why doran does not run a model yet. */
const UNSUPPORTED = ["architecture", "weights"];

/** `model_type` of every architecture that `src/models/mod.rs` lists. */
export function architectures(source = readFileSync(join(ROOT, "src/models/mod.rs"), "utf8")) {
  const table = /const MODELS: [^=]*= &\[(.*?)^\];/ms.exec(source)?.[1] ?? "";
  return [...table.matchAll(/^\s*\("(\w+)",/gm)].map((match) => match[1]);
}

/** The catalogue as it is written: a line for each field, keys in their order. */
export function canonical(entries) {
  const line = (value) => JSON.stringify(value, null, 1).replace(/\n */g, " ").replace(/\[ /g, "[").replace(/ \]/g, "]");
  const member = (indent) => ([key, value]) => `${indent}${JSON.stringify(key)}: ${line(value)}`;
  const ordered = (object, keys) => [...keys.filter((key) => key in object), ...Object.keys(object).filter((key) => !keys.includes(key))];
  const block = (object, keys, indent) => ordered(object, keys).map((key) => member(indent)([key, object[key]])).join(",\n");
  const entry = (model) => {
    const { license, ...rest } = model;
    const lines = [block(rest, FIELDS, "    ")];
    if (license !== undefined) lines.push(`    "license": {\n${block(license, Object.keys(LICENSE), "      ")}\n    }`);
    return `  {\n${lines.join(",\n")}\n  }`;
  };
  return `[\n${entries.map(entry).join(",\n")}\n]\n`;
}

/** What is wrong with one fact. */
function* factProblems(name, fact, test) {
  if (typeof fact !== "object" || fact === null) return yield `${name} is not a fact`;
  const { value, source, verified, approximate, ...more } = fact;
  for (const key of Object.keys(more)) yield `${name}.${key} is not a field`;
  if (!isBoolean(verified)) yield `${name}.verified is not a boolean`;
  if (value === undefined) return yield `${name} has no value`;
  if (value === null) {
    if (verified) yield `${name} has no value and is verified`;
    if (source !== null) yield `${name} has no value and a source`;
    if (approximate !== undefined) yield `${name} has no value and is approximate`;
    return;
  }
  if (!test(value)) yield `${name}.value ${JSON.stringify(value)} is malformed`;
  // Where a model is must be known to load it: this one value may be there on others' word.
  if (!verified && name !== "source") yield `${name} has a value that is not verified`;
  if (!verified && source !== null) yield `${name} is not verified and has a source`;
  if (verified && !isHttps(source)) yield `${name}.source ${JSON.stringify(source)} is not an https address`;
  if (approximate !== undefined && (approximate !== true || !APPROXIMATE.includes(name))) yield `${name}.approximate may not be ${approximate}`;
}

/** What must hold between the fields of an entry. */
function* entryProblems(entry, known) {
  const { id, name, goodFor, unsupported, large, license } = entry;
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(id)) yield "id is not a slug";
  if (!isString(name)) yield "name is not a text";
  if (!isString(goodFor) || !/^[A-Z].*\.$/.test(goodFor)) yield "goodFor is not a sentence";
  if (unsupported !== null && !UNSUPPORTED.includes(unsupported)) yield `unsupported may not be ${JSON.stringify(unsupported)}`;
  if (!isBoolean(large)) yield "large is not a boolean";

  const architecture = entry.architecture?.value;
  if (typeof architecture === "string" && known.includes(architecture) === (unsupported === "architecture")) {
    yield unsupported === null ? `architecture ${architecture} is not known to doran, and unsupported does not say so` : `architecture ${architecture} is known to doran`;
  }
  if (unsupported === "architecture" && typeof architecture !== "string") yield "unsupported names an architecture that is not there";
  const parameters = entry.parameters?.value;
  if (isCount(parameters) && large !== parameters >= LARGE_PARAMETERS) yield `large is ${large} at ${parameters} parameters`;
  if (entry.source?.value === null) yield "a model without a source cannot be loaded";

  if (NON_COMMERCIAL.test(license?.name?.value ?? "") && license.nonCommercial?.value !== true) yield "license is non-commercial and not marked so";
  if (GATED.test(entry.source?.value ?? "") && license?.gated?.value === false) yield "license is gated and marked as open";
}

/** Every fault of the catalogue, as sentences; none where it is sound. */
export function problems(entries, known) {
  if (!Array.isArray(entries) || entries.length === 0) return ["the catalogue is not a list of models"];
  if (known.length === 0) return ["no architecture was found in src/models/mod.rs"];
  const found = [];
  for (const [at, entry] of entries.entries()) {
    const own = [];
    for (const field of FIELDS) if (!(field in entry)) own.push(`${field} is missing`);
    for (const field of Object.keys(entry)) if (!FIELDS.includes(field)) own.push(`${field} is not a field`);
    for (const [field, test] of Object.entries(FACTS)) if (field in entry) own.push(...factProblems(field, entry[field], test));
    for (const [field, test] of Object.entries(LICENSE)) own.push(...factProblems(`license.${field}`, entry.license?.[field], test));
    for (const field of Object.keys(entry.license ?? {})) if (!(field in LICENSE)) own.push(`license.${field} is not a field`);
    own.push(...entryProblems(entry, known));
    if (entries.findIndex((other) => other.id === entry.id) !== at) own.push("id is there twice");
    found.push(...own.map((problem) => `${entry.id ?? `entry ${at}`}: ${problem}`));
  }
  return found;
}
