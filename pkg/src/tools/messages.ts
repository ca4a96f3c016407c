/** Messages in the OpenAI API's form made into what chat templates read. */
import type { ChatMessage, ToolCall } from "./types.js";

/** A message of a template: what is absent is left out, since templates ask whether a key is there. */
export type TemplateMessage = Record<string, unknown>;

/**
 * A message with its content as one text, and its calls with arguments as objects, which templates write as JSON of their own. A
 * `developer` is a `system`: templates do not know the newer name.
 */
export function plain(message: ChatMessage): TemplateMessage {
  const { role, content, name, tool_calls: calls, tool_call_id: id, reasoning_content: reasoning } = message;
  return {
    role: role === "developer" ? "system" : role,
    content: contentOf(content),
    ...(name === undefined ? {} : { name }),
    ...(reasoning === undefined || reasoning === null ? {} : { reasoning_content: reasoning }),
    ...(calls === undefined || calls === null || calls.length === 0 ? {} : { tool_calls: calls.map(plainCall) }),
    ...(id === undefined ? {} : { tool_call_id: id }),
  };
}

/** The arguments of a call, as the object that they say. Text that says none stays: a template will show it as it is. */
export function argumentsOf(call: ToolCall): unknown {
  try {
    const value: unknown = JSON.parse(call.function.arguments);
    return typeof value === "object" && value !== null ? value : call.function.arguments;
  } catch {
    return call.function.arguments === "" ? {} : call.function.arguments;
  }
}

function plainCall(call: ToolCall): TemplateMessage {
  return { id: call.id, type: "function", function: { name: call.function.name, arguments: argumentsOf(call) } };
}

/** Texts are joined. Parts that are no text are the template's to take or to refuse. */
function contentOf(content: ChatMessage["content"]): unknown {
  if (content === undefined || content === null) return "";
  if (typeof content === "string" || !content.every((part) => part.type === "text")) return content;
  return content.map((part) => part.text ?? "").join("");
}
