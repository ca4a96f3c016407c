/** A prompt of the AI SDK as a conversation. */
import type {
  LanguageModelV4FilePart, LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ToolResultOutput, SharedV4Warning,
} from "@ai-sdk/provider";
import type { ChatMessage, ToolCall } from "../chat/events.js";
import { unsupported } from "./errors.js";

type Assistant = Extract<LanguageModelV4Message, { role: "assistant" }>;

/**
 * The messages of a prompt. What belongs to an earlier answer and means nothing to the model is left out, and `warn` hears of it; an
 * image, or another file that is not text, throws `AI_UnsupportedFunctionalityError`: without it the question would be another one.
 */
export function toMessages(prompt: LanguageModelV4Prompt, warn: (warning: SharedV4Warning) => void): readonly ChatMessage[] {
  return prompt.flatMap((message): readonly ChatMessage[] => {
    switch (message.role) {
      case "system": return [{ role: "system", content: message.content }];
      case "user": return [{ role: "user", content: message.content.map((part) => (part.type === "text" ? part.text : fileText(part))).join("") }];
      case "assistant": return [toAssistant(message, warn)];
      case "tool": return message.content.flatMap((part): readonly ChatMessage[] => (
        // An approval is between the page and its reader.
        part.type === "tool-result" ? [{ role: "tool", tool_call_id: part.toolCallId, name: part.toolName, content: resultText(part.output) }] : []
      ));
    }
  });
}

function toAssistant({ content }: Assistant, warn: (warning: SharedV4Warning) => void): ChatMessage {
  let text = "";
  let reasoning = "";
  const calls: ToolCall[] = [];
  for (const part of content) {
    if (part.type === "text") text += part.text;
    else if (part.type === "reasoning") reasoning += part.text;
    else if (part.type === "tool-call") calls.push({ id: part.toolCallId, type: "function", function: { name: part.toolName, arguments: JSON.stringify(part.input ?? {}) } });
    else warn({ type: "unsupported", feature: `a part of type ${part.type} in an assistant message`, details: "it was left out" });
  }
  return {
    role: "assistant",
    content: text,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** A file that is text, as text. */
function fileText({ data, mediaType, filename }: LanguageModelV4FilePart): string {
  if (data.type === "text") return data.text;
  if (data.type === "data" && mediaType.startsWith("text/")) {
    const bytes = typeof data.data === "string" ? Uint8Array.from(atob(data.data), (character) => character.charCodeAt(0)) : data.data;
    return new TextDecoder().decode(bytes);
  }
  throw unsupported(`file of type ${mediaType}`, `this model reads text only, and ${filename ?? "a file"} is of type ${mediaType}`);
}

/** What a tool gave, as the model reads it. */
function resultText(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case "text": return output.value;
    case "error-text": return `error: ${output.value}`;
    case "json": return JSON.stringify(output.value);
    case "error-json": return `error: ${JSON.stringify(output.value)}`;
    case "execution-denied": return `error: the call was not allowed${output.reason === undefined ? "" : `: ${output.reason}`}`;
    case "content": return output.value.map((part) => {
      if (part.type === "text") return part.text;
      if (part.type === "file") return fileText({ ...part, type: "file" });
      throw unsupported("custom content of a tool result", "this model reads text only, and the result of a tool is not");
    }).join("\n");
  }
}
