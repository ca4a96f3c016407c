/**
 * The JSON syntax of Llama 3.1 to 3.3. The whole answer is the call; the tag in front is there in some of the models' answers only.
 *
 * ```text
 * <|python_tag|>{"name": "weather", "parameters": {"city": "Seoul"}}
 * ```
 *
 * The models know no more than one call an answer, and their templates refuse several. Where they write several anyway, `;` parts them.
 */
import { calls, type CallShape } from "./call.js";
import { callSchema, jsonTerm } from "./lark.js";
import { plain, type TemplateMessage } from "./messages.js";
import { ScriptParser, type Script, type Tape } from "./tape.js";
import type { ChatMessage, ToolSyntax } from "./types.js";

const TAG = "<|python_tag|>";
/** An answer that is JSON of another kind must not be taken for a call. */
const SHAPE: CallShape = { name: "name", arguments: ["parameters", "arguments"], beside: ["type"], strict: true };

export const llama: ToolSyntax = {
  name: "llama3",
  matches: (template) => template.includes("<|start_header_id|>ipython") && /\\?"parameters\\?"/.test(template),
  parser: () => new ScriptParser(script),
  grammar: (tools, { parallel }) =>
    `start: tool_object${parallel ? ' ("; " tool_object)*' : ""}\ntool_object: ${jsonTerm(callSchema(tools, "name", "parameters"), tools)}`,
  toTemplate: oneCallEach,
};

function* script(tape: Tape): Script<void> {
  if ((yield* tape.skip()) === "{") yield* tape.attempt(calls(tape, SHAPE));
  while ((yield* tape.marker([TAG])) !== undefined) yield* tape.attempt(calls(tape, SHAPE));
}

/** A message with several calls becomes several messages, each before its results. */
function oneCallEach(messages: readonly ChatMessage[]): readonly TemplateMessage[] {
  const out: ChatMessage[] = [];
  const rest = [...messages];
  for (let message = rest.shift(); message !== undefined; message = rest.shift()) {
    const calls = message.tool_calls ?? [];
    if (calls.length < 2) {
      out.push(message);
      continue;
    }
    const end = rest.findIndex((next) => next.role !== "tool");
    const results = rest.splice(0, end < 0 ? rest.length : end);
    for (const call of calls) out.push({ ...message, tool_calls: [call] }, ...results.filter((result) => result.tool_call_id === call.id));
    out.push(...results.filter((result) => !calls.some((call) => call.id === result.tool_call_id)));
  }
  return out.map(plain);
}
