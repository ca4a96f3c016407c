/**
 * The syntax of Qwen3-Coder and Qwen 3.5: a tag for the function and one for each argument, whose texts are not quoted.
 *
 * ```text
 * <tool_call>
 * <function=weather>
 * <parameter=city>
 * Seoul
 * </parameter>
 * </function>
 * </tool_call>
 * ```
 */
import { isRecord, jsonTerm, parametersOf, relocated, term } from "./lark.js";
import { plain } from "./messages.js";
import { Malformed, ScriptParser, type Script, type Tape } from "./tape.js";
import type { GrammarOptions, JsonSchema, Tool, ToolSyntax } from "./types.js";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";
const FUNCTION = "<function=";
const PARAMETER = "<parameter=";
const PARAMETER_END = "</parameter>";
const FUNCTION_END = "</function>";

export const qwenXml: ToolSyntax = {
  name: "qwen-xml",
  matches: (template) => template.includes(FUNCTION) && template.includes(PARAMETER),
  parser: (tools = []) => new ScriptParser((tape) => script(tape, tools)),
  grammar,
  toTemplate: (messages) => messages.map(plain),
};

function* script(tape: Tape, tools: readonly Tool[]): Script<void> {
  for (;;) {
    // Models forget the outer tag.
    const marker = yield* tape.marker([OPEN, FUNCTION]);
    if (marker === undefined) return;
    yield* tape.attempt(call(tape, tools, marker === OPEN));
  }
}

function* call(tape: Tape, tools: readonly Tool[], tagged: boolean): Script<void> {
  if (tagged) yield* tape.expect(FUNCTION);
  const name = yield* label(tape);
  const properties = parametersOf(tools.find((tool) => tool.function.name === name) ?? NO_TOOL)["properties"];
  let brace = "{";
  for (;;) {
    yield* tape.skip();
    if (yield* tape.starts(FUNCTION_END)) break;
    if (!(yield* tape.starts(PARAMETER))) throw new Malformed();
    const key = yield* label(tape);
    const text = (yield* until(tape, PARAMETER_END)).replace(/^\n/, "").replace(/\n$/, "");
    if (brace === "{") tape.begin(name);
    tape.piece(`${brace}${JSON.stringify(key)}:${jsonOf(text, isRecord(properties) ? properties[key] : undefined)}`);
    brace = ",";
  }
  if (brace === "{") tape.begin(name);
  tape.piece(brace === "{" ? "{}" : "}");
  tape.end();
  yield* tape.skip();
  yield* tape.starts(CLOSE);
}

const NO_TOOL: Tool = { type: "function", function: { name: "" } };

/** Reads the rest of an opening tag, and gives the name in it. */
function* label(tape: Tape): Script<string> {
  let text = "";
  for (let character = yield* tape.next(); character !== ">"; character = yield* tape.next()) {
    if (/^[\s<]$/.test(character)) throw new Malformed();
    text += character;
  }
  if (text === "") throw new Malformed();
  return text;
}

/** Reads up to a text, and that. */
function* until(tape: Tape, end: string): Script<string> {
  let text = "";
  while (!(yield* tape.starts(end))) text += yield* tape.next();
  return text;
}

/** The JSON of an argument. A text is one where the schema says so, and where it is nothing else. */
function jsonOf(text: string, schema: unknown): string {
  const word = PYTHON[text] ?? text;
  if (!isText(schema) || (word === "null" && isRecord(schema) && Array.isArray(schema["type"]) && schema["type"].includes("null"))) {
    try {
      return JSON.stringify(JSON.parse(word));
    } catch {
      // It is a text, whatever the schema says.
    }
  }
  return JSON.stringify(text);
}

/** Templates print these as Python does, and models follow. */
const PYTHON: Readonly<Record<string, string>> = { None: "null", True: "true", False: "false" };

function isText(schema: unknown): boolean {
  if (!isRecord(schema)) return false;
  const { type, enum: choices } = schema;
  if (Array.isArray(choices)) return choices.every((choice) => typeof choice === "string");
  return type === "string" || (Array.isArray(type) && type.includes("string"));
}

function grammar(tools: readonly Tool[], { parallel, special }: GrammarOptions): string {
  const rules = [
    `start: tool_call${parallel ? ' ("\\n" tool_call)*' : ""}`,
    `tool_call: ${term(OPEN, special)} "\\n" (${tools.map((_, index) => `tool_${index}`).join(" | ")}) "\\n" ${term(CLOSE, special)}`,
    // The first closing tag ends a text.
    `tool_text[suffix=${JSON.stringify(`\n${PARAMETER_END}\n`)}]: /(?s:.*)/`,
  ];
  tools.forEach((tool, index) => {
    const parameters = parametersOf(tool);
    const { properties, required } = parameters;
    const needed: readonly unknown[] = Array.isArray(required) ? required : [];
    const items = Object.entries(isRecord(properties) ? properties : {}).map(([key, schema], at) => {
      rules.push(`tool_value_${index}_${at}: ${valueOf(schema, tool)}`);
      const item = `${JSON.stringify(`${PARAMETER}${key}>\n`)} tool_value_${index}_${at}`;
      return needed.includes(key) ? item : `(${item})?`;
    });
    rules.push(`tool_${index}: ${JSON.stringify(`${FUNCTION}${tool.function.name}>\n`)} ${[...items, JSON.stringify(FUNCTION_END)].join(" ")}`);
  });
  return rules.join("\n");
}

/** A value and its closing tag. */
function valueOf(schema: unknown, tool: Tool): string {
  const end = JSON.stringify(`\n${PARAMETER_END}\n`);
  if (!isRecord(schema)) return "tool_text";
  const { enum: choices, type } = schema;
  if (type === "boolean") return `("true" | "false" | "True" | "False") ${end}`;
  if (!isText(schema)) {
    const refers = JSON.stringify(schema).includes('"$ref"');
    const root = (): JsonSchema => ({ ...relocated(schema, "#/$defs/root"), $defs: { root: relocated(parametersOf(tool), "#/$defs/root") } });
    return `${jsonTerm(refers ? root() : schema, [tool])} ${end}`;
  }
  return Array.isArray(choices) ? `(${choices.map((choice) => JSON.stringify(choice)).join(" | ")}) ${end}` : "tool_text";
}
