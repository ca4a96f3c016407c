/**
 * Hermes' syntax, a JSON object in a tag for each call. Qwen 2.5 and 3, SmolLM3, Granite 4 and many others have it too.
 *
 * ```text
 * <tool_call>
 * {"name": "weather", "arguments": {"city": "Seoul"}}
 * </tool_call>
 * ```
 */
import { calls, type CallShape } from "./call.js";
import { callSchema, jsonTerm, term } from "./lark.js";
import { plain } from "./messages.js";
import { ScriptParser, type Script, type Tape } from "./tape.js";
import type { ToolSyntax } from "./types.js";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";
const SHAPE: CallShape = { name: "name", arguments: ["arguments", "parameters"], beside: ["id", "type"] };

/** Whether a template has JSON objects in `<tool_call>`; GLM and Qwen3-Coder have other things there. */
export const tagged = (template: string): boolean =>
  template.includes(OPEN) && /\\?"arguments\\?"/.test(template) && !template.includes("<arg_key>");

/** The syntax; `gap` stands between tag and object. */
export const inTags = (name: string, gap: string, matches: ToolSyntax["matches"]): ToolSyntax => ({
  name,
  matches,
  parser: () => new ScriptParser(script),
  grammar(tools, { parallel, special }) {
    const space = gap === "" ? "" : ` ${JSON.stringify(gap)}`;
    return [
      `start: tool_call${parallel ? ' ("\\n" tool_call)*' : ""}`,
      `tool_call: ${term(OPEN, special)}${space} tool_object${space} ${term(CLOSE, special)}`,
      `tool_object: ${jsonTerm(callSchema(tools, "name", "arguments"), tools)}`,
    ].join("\n");
  },
  toTemplate: (messages) => messages.map(plain),
});

function* script(tape: Tape): Script<void> {
  while ((yield* tape.marker([OPEN])) !== undefined) {
    yield* tape.attempt(
      (function* () {
        yield* calls(tape, SHAPE);
        yield* tape.skip();
        yield* tape.starts(CLOSE);
      })(),
    );
  }
}

export const hermes = inTags("hermes", "\n", tagged);
