/**
 * The syntax of Command R7B and what Cohere made after it: an array between markers. Answers that are text have markers of their own,
 * which are left out.
 *
 * ```text
 * <|START_ACTION|>[
 *     {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Seoul"}}
 * ]<|END_ACTION|>
 * ```
 */
import { calls, type CallShape } from "./call.js";
import { jsonTerm, parametersOf, term } from "./lark.js";
import { plain } from "./messages.js";
import { ScriptParser, type Script, type Tape } from "./tape.js";
import type { ToolSyntax } from "./types.js";

const OPEN = "<|START_ACTION|>";
const CLOSE = "<|END_ACTION|>";
const AROUND_TEXT = ["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"];
const SHAPE: CallShape = { name: "tool_name", arguments: ["parameters"], beside: ["tool_call_id"] };

export const command: ToolSyntax = {
  name: "command",
  matches: (template) => template.includes(OPEN) && template.includes("tool_name"),
  parser: () => new ScriptParser(script),
  // The layout is the templates'. A number is the call's place in the conversation.
  grammar: (tools, { parallel, special }) =>
    [
      `start: ${term(OPEN, special)} "[\\n    " tool_call${parallel ? ' (",\\n    " tool_call)*' : ""} "\\n]" ${term(CLOSE, special)}`,
      `tool_call: "{\\"tool_call_id\\": \\"" /[0-9]{1,3}/ "\\", \\"tool_name\\": \\"" (${tools.map((_, index) => `tool_${index}`).join(" | ")}) "}"`,
      ...tools.flatMap((tool, index) => [
        `tool_${index}: ${JSON.stringify(`${JSON.stringify(tool.function.name).slice(1)}, "parameters": `)} tool_args_${index}`,
        `tool_args_${index}: ${jsonTerm(parametersOf(tool), [tool])}`,
      ]),
    ].join("\n"),
  toTemplate: (messages) => messages.map(plain),
};

function* script(tape: Tape): Script<void> {
  for (;;) {
    const marker = yield* tape.marker([OPEN, ...AROUND_TEXT]);
    if (marker === undefined) return;
    if (marker !== OPEN) {
      tape.commit();
      continue;
    }
    yield* tape.attempt(
      (function* () {
        yield* calls(tape, SHAPE);
        yield* tape.skip();
        yield* tape.starts(CLOSE);
      })(),
    );
  }
}
