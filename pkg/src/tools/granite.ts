/**
 * The syntax of Granite 3: an array behind a marker. Granite 4 has Hermes'.
 *
 * ```text
 * <|tool_call|>[{"name": "weather", "arguments": {"city": "Seoul"}}]
 * ```
 */
import { calls, type CallShape } from "./call.js";
import { callsSchema, jsonTerm, term } from "./lark.js";
import { argumentsOf, plain, type TemplateMessage } from "./messages.js";
import { ScriptParser, type Script, type Tape } from "./tape.js";
import type { ChatMessage, ToolSyntax } from "./types.js";

const OPEN = "<|tool_call|>";
const SHAPE: CallShape = { name: "name", arguments: ["arguments", "parameters"], beside: ["id", "type"] };

export const granite: ToolSyntax = {
  name: "granite",
  matches: (template) => template.includes(OPEN) && template.includes("<|start_of_role|>"),
  parser: () => new ScriptParser(script),
  grammar: (tools, { parallel, special }) =>
    `start: ${term(OPEN, special)} tool_list\ntool_list: ${jsonTerm(callsSchema(tools, parallel), tools)}`,
  toTemplate: (messages) => messages.map(written),
};

function* script(tape: Tape): Script<void> {
  while ((yield* tape.marker([OPEN])) !== undefined) yield* tape.attempt(calls(tape, SHAPE));
}

/** The templates write any message's role and content, and know nothing of calls: those are part of the content. */
function written(message: ChatMessage): TemplateMessage {
  const { tool_calls: calls, ...rest } = plain(message);
  if (message.role === "tool") return { ...rest, role: "tool_response" };
  if (calls === undefined) return rest;
  const list = (message.tool_calls ?? []).map((call) => ({ name: call.function.name, arguments: argumentsOf(call) }));
  return { ...rest, content: `${typeof rest["content"] === "string" ? rest["content"] : ""}${OPEN}${spaced(list)}` };
}

/** JSON as Python's `json.dumps` writes it, with a space behind each comma and colon. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`).join(", ")}}`;
}
