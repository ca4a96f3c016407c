/** What `create`, `prompt` and their kind are given, checked, with what stands in for what is not given. */
import { schemaHint } from "../chat/text.js";
import type { OutputFormat } from "../types.js";
import { isRecord } from "../errors.js";
import { domException } from "./errors.js";
import type { LanguageModelCreateCoreOptions, LanguageModelExpected, LanguageModelParams, LanguageModelSamplingMode, LanguageModelTool } from "./types.js";

/** How a session draws tokens. */
export interface Sampling {
  readonly temperature: number;
  readonly topK: number;
}

/** The modes, in numbers of ours: the specification gives none. */
const MODES: Readonly<Record<LanguageModelSamplingMode, Sampling>> = {
  "most-predictable": { temperature: 0, topK: 1 },
  predictable: { temperature: 0.3, topK: 20 },
  balanced: { temperature: 0.7, topK: 40 },
  creative: { temperature: 1, topK: 64 },
  "most-creative": { temperature: 1.3, topK: 128 },
};

/** What a session has unless told otherwise, and the most that it takes. */
export const PARAMS: LanguageModelParams = { defaultTopK: MODES.balanced.topK, maxTopK: 128, defaultTemperature: MODES.balanced.temperature, maxTemperature: 2 };

const isMode = (value: unknown): value is LanguageModelSamplingMode => typeof value === "string" && Object.hasOwn(MODES, value);

/** Sampling of a session. What is too large is brought down; throws a `RangeError` for what is too small. */
export function readSampling({ samplingMode, topK, temperature }: LanguageModelCreateCoreOptions): Sampling {
  if (samplingMode !== undefined) {
    if (topK !== undefined || temperature !== undefined) throw new TypeError("samplingMode stands for topK and temperature: give one or the other");
    if (!isMode(samplingMode)) throw new TypeError(`${String(samplingMode)} is no samplingMode: it is one of ${Object.keys(MODES).join(", ")}`);
    return MODES[samplingMode];
  }
  const { defaultTopK, maxTopK, defaultTemperature, maxTemperature } = PARAMS;
  if (topK !== undefined && !(topK >= 1)) throw new RangeError("topK is at least 1");
  if (temperature !== undefined && !(temperature >= 0)) throw new RangeError("temperature is at least 0");
  return {
    topK: Math.trunc(Math.min(topK ?? defaultTopK, maxTopK)),
    temperature: Math.min(temperature ?? defaultTemperature, maxTemperature),
  };
}

/** Whether the kinds of input and output that a page expects are there. Throws a `RangeError` for what is no language tag. */
export function isExpectable({ expectedInputs = [], expectedOutputs = [] }: LanguageModelCreateCoreOptions): boolean {
  const all: readonly LanguageModelExpected[] = [...expectedInputs, ...expectedOutputs];
  for (const { type, languages } of all) {
    if (type !== "text" && type !== "image" && type !== "audio") throw new TypeError(`${String(type)} is no type of input or output`);
    Intl.getCanonicalLocales([...(languages ?? [])]);
  }
  return all.every(({ type }) => type === "text");
}

/** Tools, as far as they are used here. */
export function readTools({ tools = [] }: LanguageModelCreateCoreOptions): readonly LanguageModelTool[] {
  for (const tool of tools) {
    const right = isRecord(tool) && typeof tool.name === "string" && typeof tool.execute === "function" && isRecord(tool.inputSchema);
    if (!right) throw new TypeError("a tool has name, description, inputSchema and execute");
  }
  return [...tools];
}

/** The form that an answer must have, and what the model is told of it. */
export interface Constraint {
  readonly format: OutputFormat;
  /** Absent where the page tells the model itself. */
  readonly hint: string | undefined;
}

/** Reads `responseConstraint`. Throws a `TypeError` for what is neither a schema nor a `RegExp`, `NotSupportedError` for flags. */
export function readConstraint({ responseConstraint, omitResponseConstraintInput }: { responseConstraint?: unknown; omitResponseConstraintInput?: unknown }): Constraint | undefined {
  if (responseConstraint === undefined) {
    if (omitResponseConstraintInput === true) throw new TypeError("omitResponseConstraintInput needs a responseConstraint");
    return undefined;
  }
  const tell = omitResponseConstraintInput !== true;
  if (responseConstraint instanceof RegExp) {
    const { source, flags } = responseConstraint;
    // These say how a text is searched, and nothing of what matches.
    if (/[^dguvy]/.test(flags)) throw domException("NotSupportedError", `the flags of ${String(responseConstraint)} are not supported`);
    return { format: { type: "regex", pattern: withoutAnchors(source) }, hint: tell ? `Answer with a text that matches this regular expression: ${source}` : undefined };
  }
  if (!isRecord(responseConstraint) || Array.isArray(responseConstraint)) throw new TypeError("responseConstraint is a JSON Schema or a RegExp");
  const schema: unknown = JSON.parse(JSON.stringify(responseConstraint));
  if (!isRecord(schema)) throw new TypeError("responseConstraint is a JSON Schema or a RegExp");
  return { format: { type: "json_schema", schema }, hint: tell ? schemaHint(schema) : undefined };
}

/** The whole answer has to match anyhow, which is what anchors around a single pattern say. */
function withoutAnchors(source: string): string {
  const begun = source.startsWith("^") ? source.slice(1) : source;
  const escaped = /\\*\$$/.exec(begun)?.[0].length ?? 0;
  return escaped % 2 === 1 ? begun.slice(0, -1) : begun;
}
