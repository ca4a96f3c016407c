/** A request's fields become options of `generate`. What is not known is refused by name: nothing is dropped silently. */
import { DoranError, isRecord } from "../errors.js";
import type { GenerateOptions, OutputFormat } from "../types.js";
import type { ResponseFormat, SamplingFields } from "./types.js";

/** A request, with `null` for what was left out. */
export type Fields = Readonly<Record<string, unknown>>;

const SAMPLING = [
  "model", "temperature", "top_p", "seed", "stop", "max_tokens", "frequency_penalty", "presence_penalty", "logit_bias", "n", "stream",
  "stream_options", "top_k", "min_p", "repetition_penalty", "adapters", "logits_hook",
];

/** The error of a field that is not supported, or not with this value. */
export function unsupportedParameter(parameter: string, because = "is not supported"): DoranError {
  return new DoranError("unsupported_parameter", `the parameter ${parameter} ${because}`, { parameter });
}

/** The error of a field of the wrong kind. */
export function badField(argument: string, message: string): DoranError {
  return new DoranError("bad_argument", message, { argument });
}

/** Refuses fields that are neither sampling's nor among `known`. `null` is as if left out. */
export function checkFields(request: unknown, known: readonly string[]): Fields {
  if (!isRecord(request)) throw badField("body", "a request is an object");
  for (const [name, value] of Object.entries(request)) {
    if (value === undefined || value === null || SAMPLING.includes(name) || known.includes(name)) continue;
    throw unsupportedParameter(name);
  }
  const options = request["stream_options"];
  if (isRecord(options)) {
    for (const name of Object.keys(options)) if (name !== "include_usage") throw unsupportedParameter(`stream_options.${name}`);
  }
  return request;
}

/** How many answers are wanted. */
export function countOf(n: unknown): number {
  if (n === undefined || n === null) return 1;
  if (typeof n === "number" && Number.isInteger(n) && n >= 1) return n;
  throw badField("n", "n must be a whole number from 1 on");
}

/** How tokens are drawn, and where an answer ends. */
export function samplingOptions(fields: SamplingFields, limit: number | null | undefined): GenerateOptions {
  const { temperature, top_p: topP, top_k: topK, min_p: minP, seed, stop, frequency_penalty: frequency, presence_penalty: presence } = fields;
  const { repetition_penalty: repetition, logit_bias: bias, adapters, logits_hook: hook } = fields;
  const given = <K extends keyof GenerateOptions>(name: K, value: GenerateOptions[K] | null | undefined): Partial<GenerateOptions> => (
    value === undefined || value === null ? {} : { [name]: value }
  );
  return {
    ...given("temperature", temperature), ...given("topP", topP), ...given("topK", topK), ...given("minP", minP), ...given("seed", seed),
    ...given("stop", typeof stop === "string" ? [stop] : stop), ...given("frequencyPenalty", frequency), ...given("presencePenalty", presence),
    ...given("repetitionPenalty", repetition), ...given("logitBias", bias), ...given("adapters", adapters), ...given("logitsHook", hook),
    ...given("maxTokens", limit),
  };
}

/** The form that `response_format` asks for. */
export function formatOf(format: ResponseFormat | null | undefined): OutputFormat | undefined {
  if (format === undefined || format === null) return undefined;
  switch (format.type) {
    case "text": return undefined;
    case "json_object": return { type: "json_object" };
    case "json_schema": {
      const { schema } = format.json_schema ?? {};
      if (schema === undefined) throw badField("response_format", "response_format.json_schema has no schema");
      return { type: "json_schema", schema };
    }
    case "regex": return { type: "regex", pattern: format.regex };
    case "grammar": return { type: "lark", grammar: format.grammar };
    default: {
      const other: { readonly type: unknown } = format;
      throw unsupportedParameter("response_format.type", `cannot be ${JSON.stringify(other.type)}`);
    }
  }
}

/** The seed of answer `index`; none where none was given. */
export function seedOf(options: GenerateOptions, index: number): GenerateOptions {
  return options.seed === undefined ? options : { ...options, seed: options.seed + index };
}
