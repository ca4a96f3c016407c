/** What messages of a chat say, as text. */
import type { ChatMessage } from "./events.js";

/** What a message says, calls of tools and reasoning apart. */
export function textOf({ content }: ChatMessage): string {
  return typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join("");
}

/** The same conversation, with a sentence more in the user's last message: a system message of its own is more than some templates take. */
export function withHint(messages: readonly ChatMessage[], hint: string): readonly ChatMessage[] {
  const last = messages.map(({ role }) => role).lastIndexOf("user");
  return messages.map((message, index) => (index === last ? { ...message, content: `${textOf(message)}\n\n${hint}` } : message));
}

/** Tells a model which form its answer must have. It is held to the form anyhow, but writes better if it knows. */
export function schemaHint(schema: object): string {
  return `Answer with JSON that fits this JSON Schema: ${JSON.stringify(schema)}`;
}
