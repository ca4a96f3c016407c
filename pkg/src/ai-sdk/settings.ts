/** The options of a call of the AI SDK as a request. What cannot be honoured becomes a warning, and the call goes on without it. */
import type { LanguageModelV4CallOptions, SharedV4Warning } from "@ai-sdk/provider";
import type { ChatRequest, Tool } from "../chat/events.js";
import { schemaHint, withHint } from "../chat/text.js";
import { isRecord } from "../errors.js";
import type { GenerateOptions, OutputFormat } from "../types.js";
import { toMessages } from "./prompt.js";

/** A request, and what the caller should know of it. */
export interface Settings {
  readonly request: ChatRequest;
  readonly warnings: SharedV4Warning[];
}

/** What `providerOptions.doran` may have, and what it must be. */
const OWN: Readonly<Record<string, (value: unknown) => boolean>> = {
  minP: isNumber,
  repetitionPenalty: isNumber,
  logitBias: isRecord,
  contextPolicy: (value) => value === "error" || value === "slide",
};

/** The request for a call; `always` is what holds for every call of a model. */
export function toRequest(options: LanguageModelV4CallOptions, always: GenerateOptions): Settings {
  const warnings: SharedV4Warning[] = [];
  const unsupported = (feature: string, details?: string): void => {
    warnings.push({ type: "unsupported", feature, ...(details === undefined ? {} : { details }) });
  };
  const told = toMessages(options.prompt, (warning) => warnings.push(warning));
  const { format, hint } = toFormat(options.responseFormat);
  const messages = hint === undefined ? told : withHint(told, hint);
  const tools = toTools(options.tools ?? [], unsupported);
  const { own, templateArgs } = ownOptions(options.providerOptions?.["doran"], unsupported);
  for (const name of Object.keys(options.headers ?? {})) {
    // The SDK itself adds this one to every call.
    if (name.toLowerCase() !== "user-agent") unsupported(`the header ${name}`, "nothing is sent anywhere");
  }
  const last = messages.at(-1);
  const request: ChatRequest = {
    messages,
    // An assistant's message at the end is the beginning of the answer, as elsewhere with this SDK.
    ...(last?.role === "assistant" && last.tool_calls === undefined ? { continueFinalMessage: true } : {}),
    ...(tools.length === 0 ? {} : { tools, toolChoice: toChoice(options.toolChoice) }),
    templateArgs: { ...thinking(options.reasoning), ...templateArgs },
    options: { ...always, ...own, ...sampling(options), ...(format === undefined ? {} : { format }) },
  };
  return { request, warnings };
}

function sampling(options: LanguageModelV4CallOptions): GenerateOptions {
  const { maxOutputTokens: maxTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, seed, stopSequences: stop, abortSignal: signal } = options;
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function toFormat(given: LanguageModelV4CallOptions["responseFormat"]): { readonly format?: OutputFormat; readonly hint?: string } {
  if (given?.type !== "json") return {};
  const { schema, description } = given;
  if (schema === undefined) return { format: { type: "json_object" }, hint: "Answer with a JSON object." };
  return { format: { type: "json_schema", schema: { ...schema } }, hint: [description, schemaHint(schema)].filter((line) => line !== undefined).join("\n") };
}

function toTools(tools: NonNullable<LanguageModelV4CallOptions["tools"]>, unsupported: (feature: string, details: string) => void): readonly Tool[] {
  return tools.flatMap((tool): readonly Tool[] => {
    if (tool.type === "provider") {
      unsupported(`the provider's tool ${tool.id}`, "a model in the browser calls the page's own tools only");
      return [];
    }
    const { name, description, inputSchema, strict } = tool;
    return [{
      type: "function",
      function: { name, ...(description === undefined ? {} : { description }), parameters: withoutDialect(inputSchema), ...(strict === undefined ? {} : { strict }) },
    }];
  });
}

/** A schema without the name of its dialect, which says nothing to the model and costs it tokens. */
function withoutDialect(schema: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => keyword !== "$schema"));
}

function toChoice(choice: LanguageModelV4CallOptions["toolChoice"]): NonNullable<ChatRequest["toolChoice"]> {
  if (choice === undefined) return "auto";
  return choice.type === "tool" ? { name: choice.toolName } : choice.type;
}

/** Templates of models that reason read these; others do not look at them. */
function thinking(reasoning: LanguageModelV4CallOptions["reasoning"]): Readonly<Record<string, unknown>> {
  switch (reasoning) {
    case undefined: case "provider-default": return {};
    case "none": return { enable_thinking: false };
    case "minimal": case "low": return { enable_thinking: true, reasoning_effort: "low" };
    case "medium": return { enable_thinking: true, reasoning_effort: "medium" };
    case "high": case "xhigh": case "max": return { enable_thinking: true, reasoning_effort: "high" };
  }
}

function ownOptions(given: unknown, unsupported: (feature: string, details: string) => void): { readonly own: GenerateOptions; readonly templateArgs: Readonly<Record<string, unknown>> } {
  const { templateArgs, ...rest } = isRecord(given) ? given : {};
  const own = Object.entries(rest).filter(([name, value]) => {
    const right = Object.hasOwn(OWN, name) && OWN[name]?.(value) === true;
    if (!right) unsupported(`providerOptions.doran.${name}`, `known are templateArgs and ${Object.keys(OWN).join(", ")}`);
    return right;
  });
  return { own: Object.fromEntries(own), templateArgs: isRecord(templateArgs) ? templateArgs : {} };
}

function isNumber(value: unknown): boolean {
  return typeof value === "number";
}
