/** Grammars in llguidance's dialect of Lark. */
import type { GrammarOptions, JsonSchema, Tool } from "./types.js";

/** Separators as `json.dumps` and the filter `tojson` write them: models have seen calls in no other form. */
const SEPARATORS = { item_separator: ", ", key_separator: ": ", whitespace_flexible: false };

/** A rule's term for a text, which may be a special token. */
export function term(text: string, special: GrammarOptions["special"]): string {
  const token = special?.(text);
  if (typeof token === "number") return `<[${token}]>`;
  return token === true && /^<[^<>\s[][^<>\s]*>$/.test(text) ? text : JSON.stringify(text);
}

/**
 * A term for JSON by a schema that is made of these tools' schemas. Keywords and formats that llguidance does not know are passed over, unless
 * a tool is `strict`: then the grammar does not compile.
 */
export function jsonTerm(schema: JsonSchema, tools: readonly Tool[]): string {
  const lenient = !tools.some((tool) => tool.function.strict === true);
  return `%json ${JSON.stringify({ "x-guidance": { ...SEPARATORS, lenient }, ...schema })}`;
}

/**
 * A schema of a call of one of the tools, as an object with these keys. `under` is where it stands in the whole schema, and `beside` says
 * what may follow the two.
 */
export function callSchema(tools: readonly Tool[], name: string, args: string, under = "#", beside: JsonSchema = {}): JsonSchema {
  return {
    anyOf: tools.map((tool, index) => ({
      type: "object",
      properties: {
        [name]: { const: tool.function.name },
        [args]: relocated(parametersOf(tool), `${under}/anyOf/${index}/properties/${args}`),
        ...beside,
      },
      required: [name, args],
      additionalProperties: false,
    })),
  };
}

/** A schema of an array of calls, with a name and arguments each. */
export function callsSchema(tools: readonly Tool[], parallel: boolean, beside?: JsonSchema): JsonSchema {
  const items = callSchema(tools, "name", "arguments", "#/items", beside);
  return { type: "array", items, minItems: 1, ...(parallel ? {} : { maxItems: 1 }) };
}

/** The schema of a tool's arguments, which are always an object. */
export function parametersOf(tool: Tool): JsonSchema {
  const { parameters } = tool.function;
  if (parameters === undefined || Object.keys(parameters).length === 0) return { type: "object", properties: {}, additionalProperties: false };
  return "type" in parameters ? parameters : { type: "object", ...parameters };
}

/** A schema whose references hold where it stands inside another one. */
export function relocated(schema: JsonSchema, under: string): JsonSchema {
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, moved(key, value, under)]));
}

function moved(key: string, value: unknown, under: string): unknown {
  if (key === "$ref" && typeof value === "string" && value.startsWith("#")) return under + value.slice(1);
  if (Array.isArray(value)) return value.map((item: unknown) => moved("", item, under));
  if (!isRecord(value)) return value;
  return relocated(value, under);
}

/** Whether a value is an object with keys. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What stands in a grammar for itself (texts, comments, patterns), and the name of its first rule. */
const LITERAL_OR_START = /"(?:\\.|[^"\\])*"|\/\/.*|\/(?:\\.|[^/\\\n])+\/|(?<![\w-])start(?![\w-])/g;

/** A grammar whose `start` has another name, wherever it is named. */
export function renamedStart(grammar: string, name: string): string {
  return grammar.replaceAll(LITERAL_OR_START, (found) => (found === "start" ? name : found));
}
