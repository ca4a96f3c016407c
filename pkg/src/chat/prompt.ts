/** What of a chat request goes to the model: messages as its template wants them, and the grammar of calls that must come. */
import type { Engine } from "../engine.js";
import { DoranError, isRecord } from "../errors.js";
import { syntaxOf, type ToolSyntax } from "../tools/index.js";
import type { GenerateOptions, Message, OutputFormat } from "../types.js";
import { toolsUnsupported } from "./events.js";
import type { ChatMessage, ChatRequest, Tool } from "./types.js";

/** What `generate` gets. */
export interface Prepared {
  readonly messages: readonly Message[];
  readonly generate: GenerateOptions;
  /** The answer has to be a call. */
  readonly forced: boolean;
}

/** Checks a request, and writes it as `generate` takes it. */
export async function prepare(engine: Engine, request: ChatRequest): Promise<Prepared> {
  const { tools = [], toolChoice = "auto", options = {}, continueFinalMessage, templateArgs } = request;
  const messages = checked(request.messages);
  const usable = toolChoice === "none" ? [] : tools;
  const speaksOfTools = usable.length > 0 || messages.some(({ role, tool_calls: made }) => role === "tool" || made !== undefined);
  const syntax = speaksOfTools ? syntaxOf(engine.info.chatTemplate ?? "") : undefined;
  if (speaksOfTools && syntax === undefined) throw toolsUnsupported(engine.info.name);
  const forced = typeof toolChoice === "object" || toolChoice === "required";
  if (forced && usable.length === 0) throw bad("tool_choice", "tool_choice asks for a call, and there are no tools");
  const written = syntax === undefined ? messages.map(plain) : syntax.toTemplate(messages.map((message) => ({ ...message, content: textOf(message) })));
  const format = usable.length === 0 || syntax === undefined ? options.format : await formatOf(engine, syntax, usable, request);
  return {
    messages: written as readonly Message[],
    forced,
    generate: {
      ...options,
      ...(format === undefined ? {} : { format }),
      ...(usable.length === 0 ? {} : { tools: usable as unknown as NonNullable<GenerateOptions["tools"]> }),
      ...(templateArgs === undefined ? {} : { templateArgs }),
      ...(continueFinalMessage === undefined ? {} : { continueFinalMessage }),
    },
  };
}

/** The form of an answer with tools: none, calls, or calls or what was asked for. */
async function formatOf(engine: Engine, syntax: ToolSyntax, tools: readonly Tool[], request: ChatRequest): Promise<OutputFormat | undefined> {
  const { toolChoice = "auto", parallelToolCalls = true, options = {} } = request;
  const named = typeof toolChoice === "object" ? toolChoice.name : undefined;
  const callable = named === undefined ? tools : tools.filter((tool) => tool.function.name === named);
  if (callable.length === 0) throw bad("tool_choice", `tool_choice names ${named}, which is not among the tools`);
  if (toolChoice === "auto" && options.format === undefined) return undefined;
  const grammar = await grammarOf(engine, syntax, callable, parallelToolCalls && named === undefined);
  if (toolChoice !== "auto") return { type: "lark", grammar };
  const { format } = options;
  if (format?.type !== "json_schema" && format?.type !== "json_object") {
    throw bad("response_format", "tools and a regular expression or grammar for the answer cannot be asked for together");
  }
  const schema = format.type === "json_object" ? { type: "object" } : format.schema;
  return { type: "lark", grammar: `start: calls | answer\nanswer: %json ${JSON.stringify(schema)}\n${grammar.replace(/^start:/m, "calls:")}` };
}

/** The grammar of calls. Which of its markers are special tokens is asked of the model's vocabulary. */
async function grammarOf(engine: Engine, syntax: ToolSyntax, tools: readonly Tool[], parallel: boolean): Promise<string> {
  const ids = new Map<string, number | undefined>();
  const written = (): string => syntax.grammar(tools, {
    parallel,
    special: (text) => {
      if (!ids.has(text)) ids.set(text, undefined);
      return ids.get(text);
    },
  });
  written();
  for (const text of ids.keys()) {
    const [id, ...others] = await engine.tokenize(text, { addSpecialTokens: false });
    if (id === undefined || others.length > 0) continue;
    if (await engine.detokenize([id], { skipSpecialTokens: true }) === "") ids.set(text, id);
  }
  return written();
}

const ROLES: ReadonlySet<unknown> = new Set(["system", "developer", "user", "assistant", "tool"]);

/** Messages, once it is certain that they are some. */
function checked(messages: unknown): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) throw bad("messages", "messages must be a list of at least one message");
  for (const [i, message] of (messages as unknown[]).entries()) {
    if (!isRecord(message) || !ROLES.has(message["role"])) throw bad("messages", `messages[${i}] has no role that is known`);
    const { content } = message;
    if (content === undefined || content === null || typeof content === "string") continue;
    const isText = (part: unknown): boolean => isRecord(part) && part["type"] === "text" && typeof part["text"] === "string";
    if (!Array.isArray(content)) throw bad("messages", `messages[${i}].content must be text`);
    const other: unknown = content.find((part) => !isText(part));
    if (other !== undefined) {
      const type = isRecord(other) ? String(other["type"]) : typeof other;
      throw new DoranError("unsupported", `messages[${i}] has a part of type ${type}; models here read text only`, { what: `content part ${type}` });
    }
  }
  return messages as readonly ChatMessage[];
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === "string") return content;
  return content?.map(({ text }) => text).join("") ?? "";
}

/** A message without tools. Templates know `system`, and few of them `developer`. */
function plain(message: ChatMessage): Message {
  const { role, name, reasoning_content: thoughts } = message;
  return {
    role: role === "developer" ? "system" : role, content: textOf(message),
    ...(name === undefined ? {} : { name }), ...(thoughts === undefined || thoughts === null ? {} : { reasoning_content: thoughts }),
  };
}

function bad(argument: string, message: string): DoranError {
  return new DoranError("bad_argument", message, { argument });
}
