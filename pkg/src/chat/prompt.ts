/** What of a chat request goes to the model: messages as its template wants them, what the template gets beside them, and its end. */
import type { Engine } from "../engine.js";
import { DoranError, isRecord } from "../errors.js";
import { reasoningOf, ReasoningSplitter, syntaxOf, type StreamParser } from "../tools/index.js";
import type { ChatTemplateOptions, GenerateOptions, Message } from "../types.js";
import { formOf } from "./form.js";
import type { ChatMessage, ChatRequest } from "./types.js";

/** What `generate` gets, and what reads its answer. */
export interface Prepared {
  readonly messages: readonly Message[];
  readonly generate: GenerateOptions;
  /** Finds calls, where there may be any. */
  readonly parser: StreamParser | undefined;
  /** Tells thoughts from the answer, where the model thinks. */
  readonly splitter: ReasoningSplitter | undefined;
}

/** Checks a request, and writes it as `generate` takes it. */
export async function prepare(engine: Engine, request: ChatRequest): Promise<Prepared> {
  const { toolChoice = "auto", options = {}, continueFinalMessage } = request;
  const templateArgs = { ...options.templateArgs, ...request.templateArgs };
  const given = request.messages;
  check(given);
  const tools = toolChoice === "none" ? [] : request.tools ?? [];
  const template = engine.info.chatTemplate ?? "";
  const speaksOfTools = tools.length > 0 || given.some(({ role, tool_calls: made }) => role === "tool" || made !== undefined);
  const syntax = speaksOfTools ? syntaxOf(template) : undefined;
  if (speaksOfTools && syntax === undefined) throw toolsUnsupported(engine.info.name);
  const plain = given.map(plainMessage);
  const messages: readonly Message[] = syntax === undefined ? plain : syntax.toTemplate(plain).map((message) => ({ role: "", content: "", ...message }));
  const forTemplate: ChatTemplateOptions = {
    ...(tools.length === 0 ? {} : { tools: tools.map((tool) => ({ ...tool })) }),
    ...(Object.keys(templateArgs).length === 0 ? {} : { templateArgs }),
    ...(continueFinalMessage === undefined ? {} : { continueFinalMessage }),
  };
  const reasoning = reasoningOf(template);
  const splitter = reasoning === undefined ? undefined : new ReasoningSplitter(reasoning, await engine.applyChatTemplate(messages, forTemplate));
  const format = await formOf(engine, { ...request, tools }, syntax, reasoning === undefined ? undefined : { ...reasoning, isOpen: splitter?.isInside === true });
  const parser = tools.length === 0 ? undefined : syntax?.parser(tools);
  return {
    messages, parser, splitter,
    generate: {
      ...options, ...forTemplate,
      specialTokens: options.specialTokens === true || parser !== undefined || splitter !== undefined,
      ...(format === undefined ? {} : { format }),
    },
  };
}

/** The error of tools where the model has none. */
function toolsUnsupported(name: string): DoranError {
  return new DoranError(
    "tools_unsupported",
    `the chat template of ${name} writes tools in no way that is known; leave tools out, choose a model with tools, or give chatTemplate`,
  );
}

const ROLES: ReadonlySet<unknown> = new Set(["system", "developer", "user", "assistant", "tool"]);

/** Refuses what are no messages. */
function check(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0) throw bad("messages must be a list of at least one message");
  const list: readonly unknown[] = messages;
  for (const [i, message] of list.entries()) {
    if (!isRecord(message) || !ROLES.has(message["role"])) throw bad(`messages[${i}] has no role that is known`);
    const { content } = message;
    if (content === undefined || content === null || typeof content === "string") continue;
    if (!Array.isArray(content)) throw bad(`messages[${i}].content must be text`);
    const isText = (part: unknown): boolean => isRecord(part) && part["type"] === "text" && typeof part["text"] === "string";
    const other: unknown = content.find((part) => !isText(part));
    if (other === undefined) continue;
    const type = isRecord(other) ? String(other["type"]) : typeof other;
    throw new DoranError("unsupported", `messages[${i}] has a part of type ${type}; models here read text only`, { what: `content part ${type}` });
  }
}

/** A message with its text in one piece. Templates know `system`, and few of them `developer`. */
function plainMessage({ content, reasoning_content: thoughts, role, ...rest }: ChatMessage): Message & ChatMessage {
  return {
    ...rest, role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content?.map(({ text }) => text).join("") ?? "",
    ...(thoughts === undefined || thoughts === null ? {} : { reasoning_content: thoughts }),
  };
}

function bad(message: string): DoranError {
  return new DoranError("bad_argument", message, { argument: "messages" });
}
