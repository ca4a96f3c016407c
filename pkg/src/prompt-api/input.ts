/** What a page gives as a prompt, checked as the specification says ("validate and canonicalize a prompt"), in the names of a chat. */
import type { ChatMessage } from "../chat/events.js";
import { isRecord } from "../errors.js";
import { domException } from "./errors.js";
import type { LanguageModelMessageRole } from "./types.js";

/** A checked prompt. */
export interface Prompt {
  readonly messages: readonly ChatMessage[];
  /** The last message is the beginning of the answer. */
  readonly prefix: boolean;
}

const ROLES: readonly unknown[] = ["system", "user", "assistant"] satisfies LanguageModelMessageRole[];
const isRole = (value: unknown): value is LanguageModelMessageRole => ROLES.includes(value);

/**
 * Checks a prompt. Throws a `TypeError` for wrong types, `NotSupportedError` for what is no text and for a system message that comes
 * late, `SyntaxError` for messages in a wrong order and for none.
 */
export function readPrompt(input: unknown): Prompt {
  if (!isRecord(input)) return { messages: [{ role: "user", content: toText(input) }], prefix: false };
  const prompt = readMessages(input, { initial: false });
  if (prompt.messages.length === 0) throw domException("SyntaxError", "a prompt needs at least one message");
  return prompt;
}

/** Checks what a session begins with. Throws as {@link readPrompt} does; none is fine, and system messages may come first. */
export function readInitialPrompts(input: unknown): readonly ChatMessage[] {
  if (input === undefined) return [];
  if (!isRecord(input)) throw new TypeError("initialPrompts is a list of messages");
  const { messages, prefix } = readMessages(input, { initial: true });
  if (prefix) throw domException("SyntaxError", "initialPrompts cannot end in a prefix: there is nothing to answer");
  return messages;
}

function readMessages(input: object, { initial }: { readonly initial: boolean }): Prompt {
  const given = toList(input, "a prompt is a string or a list of messages");
  const messages = given.map((message, index) => {
    if (!isRecord(message)) throw new TypeError("a message is an object with role and content");
    const { role, content, prefix } = message;
    if (!isRole(role)) throw new TypeError(`${String(role)} is no role of a message: it is "system", "user" or "assistant"`);
    if (prefix === true && (role !== "assistant" || index < given.length - 1)) {
      throw domException("SyntaxError", "only the last message can be a prefix, and only the assistant's");
    }
    if (role === "system") checkSystem(given.slice(0, index), initial);
    return { role, content: readContent(content) } satisfies ChatMessage;
  });
  const last = given.at(-1);
  return { messages, prefix: isRecord(last) && last["prefix"] === true };
}

function checkSystem(before: readonly unknown[], initial: boolean): void {
  if (!initial) throw domException("NotSupportedError", "a system message stands in initialPrompts, where it cannot leave the conversation");
  const late = before.some((message) => isRecord(message) && message["role"] !== "system");
  if (late) throw domException("SyntaxError", "a system message stands before all others");
}

/** A message's text; parts are joined without anything between. */
function readContent(content: unknown): string {
  if (!isRecord(content)) return toText(content);
  return toList(content, "the content of a message is a string or a list of parts").map((part) => {
    if (!isRecord(part)) throw new TypeError("a part of a message is an object with type and value");
    const { type, value } = part;
    if (type === "image" || type === "audio") throw domException("NotSupportedError", `this model does not take ${type} input`);
    if (type !== "text") throw new TypeError(`${String(type)} is no type of a part: it is "text", "image" or "audio"`);
    if (typeof value !== "string") throw new TypeError("the value of a part of type text is a string");
    return value;
  }).join("");
}

/** As Web IDL makes a `DOMString` of what is no object. */
function toText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" || value === null) return String(value);
  throw new TypeError("a prompt, or the content of a message, is a string or a list");
}

function toList(value: object, otherwise: string): readonly unknown[] {
  if (!isIterable(value)) throw new TypeError(otherwise);
  return [...value];
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value && typeof value[Symbol.iterator] === "function";
}
