/**
 * Mistral's syntaxes. Up to Mistral Small 3.1 and Nemo all calls are one array; later each is a name and its arguments behind markers, at
 * first with an id between them.
 *
 * ```text
 * [TOOL_CALLS][{"name": "weather", "arguments": {"city": "Seoul"}}]
 * [TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Seoul"}
 * [TOOL_CALLS]weather[ARGS]{"city": "Seoul"}
 * ```
 */
import { args, calls, type CallShape } from "./call.js";
import { callsSchema, jsonTerm, parametersOf, term } from "./lark.js";
import { plain } from "./messages.js";
import { Malformed, ScriptParser, type Script, type Tape } from "./tape.js";
import type { ChatMessage, GrammarOptions, Tool, ToolSyntax } from "./types.js";

const OPEN = "[TOOL_CALLS]";
const CALL_ID = "[CALL_ID]";
const ARGS = "[ARGS]";
/** Templates refuse ids of any other length. */
const ID_LENGTH = 9;
const ID_SCHEMA = { type: "string", pattern: `^[a-zA-Z0-9]{${ID_LENGTH}}$` };
const SHAPE: CallShape = { name: "name", arguments: ["arguments", "parameters"], beside: ["id", "type"] };

const syntax = (name: string, matches: ToolSyntax["matches"], grammar: ToolSyntax["grammar"]): ToolSyntax => ({
  name,
  matches,
  parser: () => new ScriptParser(script),
  grammar,
  toTemplate: (messages) => messages.map(withShortIds),
});

export const mistral = syntax(
  "mistral",
  (template) => template.includes(OPEN),
  (tools, { parallel, special }) =>
    `start: ${term(OPEN, special)} tool_list\ntool_list: ${jsonTerm(callsSchema(tools, parallel, { id: ID_SCHEMA }), tools)}`,
);

export const mistralArgs = syntax(
  "mistral-args",
  (template) => template.includes(OPEN) && template.includes(ARGS),
  (tools, options) => named(tools, options, ""),
);

export const mistralCallId = syntax(
  "mistral-call-id",
  (template) => mistralArgs.matches(template) && template.includes(CALL_ID),
  (tools, options) => named(tools, options, ` (${term(CALL_ID, options.special)} /[a-zA-Z0-9]{${ID_LENGTH}}/)?`),
);

function named(tools: readonly Tool[], { parallel, special }: GrammarOptions, id: string): string {
  return [
    `start: tool_call${parallel ? "+" : ""}`,
    `tool_call: ${tools.map((_, index) => `tool_${index}`).join(" | ")}`,
    ...tools.flatMap((tool, index) => [
      `tool_${index}: ${term(OPEN, special)} ${JSON.stringify(tool.function.name)}${id} ${term(ARGS, special)} tool_args_${index}`,
      `tool_args_${index}: ${jsonTerm(parametersOf(tool), [tool])}`,
    ]),
  ].join("\n");
}

function* script(tape: Tape): Script<void> {
  while ((yield* tape.marker([OPEN])) !== undefined) yield* tape.attempt(marked(tape));
}

function* marked(tape: Tape): Script<void> {
  const first = yield* tape.skip();
  if (first === "[" || first === "{") {
    yield* calls(tape, SHAPE);
    return;
  }
  const name = yield* word(tape);
  if (name === "") throw new Malformed();
  if (yield* tape.starts(CALL_ID)) yield* word(tape);
  yield* tape.starts(ARGS);
  yield* args(tape, name);
}

/** Characters of a name or an id. */
function* word(tape: Tape): Script<string> {
  let text = "";
  for (;;) {
    const character = yield* tape.peek();
    if (!/^[\w.-]$/.test(character)) return text;
    text += character;
    tape.take();
  }
}

function withShortIds(message: ChatMessage): Record<string, unknown> {
  const { tool_calls: calls, tool_call_id: id } = message;
  return plain({
    ...message,
    ...(calls ? { tool_calls: calls.map((call) => ({ ...call, id: shortId(call.id) })) } : {}),
    ...(id === undefined ? {} : { tool_call_id: shortId(id) }),
  });
}

/** An id that templates take: itself, or one made of it, always the same. The hash is FNV-1a, once more for each character. */
function shortId(id: string): string {
  if (new RegExp(`^[a-zA-Z0-9]{${ID_LENGTH}}$`).test(id)) return id;
  let hash = 0x811c9dc5;
  const add = (code: number): number => (hash = Math.imul(hash ^ code, 0x01000193) >>> 0);
  for (let at = 0; at < id.length; at += 1) add(id.charCodeAt(at));
  return Array.from({ length: ID_LENGTH }, (_, at) => (add(at) % 36).toString(36)).join("");
}
