/** Gemma's notation as a grammar: what JSON schemas say of arguments, for values that are not JSON. */
import type { GemmaMarkers } from "./gemma.js";
import { isRecord, parametersOf, term } from "./lark.js";
import type { GrammarOptions, JsonSchema, Tool } from "./types.js";

const NUMBER = String.raw`/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/`;
const INTEGER = "/-?(0|[1-9][0-9]*)/";

/** The grammar of one call, or several. */
export function gemmaGrammar(tools: readonly Tool[], { parallel, special }: GrammarOptions, markers: GemmaMarkers): string {
  const quote = term(markers.quote, special);
  const call = `${term(markers.open, special)} (${tools.map((_, index) => `tool_${index}`).join(" | ")}) ${term(markers.close, special)}`;
  const rules = [
    `start: tool_call${parallel ? "+" : ""}`,
    `tool_call: ${call}`,
    // A special token cannot be a part of text. Where the marker is text itself, the first one ends the string.
    quote.startsWith('"') ? `tool_text[suffix=${quote}]: /(?s:.*)/` : `tool_text: TOOL_TEXT ${quote}\nTOOL_TEXT: /(?s:.*)/`,
    `tool_string: ${quote} tool_text`,
    `tool_any: tool_string | ${NUMBER} | "true" | "false" | "null" | tool_array | tool_object`,
    `tool_array: "[" (tool_any ("," tool_any)*)? "]"`,
    `tool_object: "{" (tool_pair ("," tool_pair)*)? "}"`,
    "tool_pair: /[a-zA-Z0-9_.-]+/ \":\" tool_any",
  ];
  tools.forEach((tool, index) => {
    const writer = new Writer(rules, parametersOf(tool), `${index}`, quote);
    rules.push(`tool_${index}: ${JSON.stringify(`call:${tool.function.name}`)} ${writer.value(parametersOf(tool))}`);
  });
  return rules.join("\n");
}

/** Writes rules for the schemas of a tool. */
class Writer {
  readonly #rules: string[];
  readonly #root: JsonSchema;
  readonly #prefix: string;
  readonly #quote: string;
  /** Rules of what references mean. */
  readonly #references = new Map<string, string>();
  #count = 0;

  constructor(rules: string[], root: JsonSchema, prefix: string, quote: string) {
    this.#rules = rules;
    this.#root = root;
    this.#prefix = prefix;
    this.#quote = quote;
  }

  /** A term for the values of a schema. What it does not understand it lets pass. */
  value(schema: unknown): string {
    if (!isRecord(schema)) return "tool_any";
    const { $ref: reference, const: constant, enum: choices, anyOf, oneOf, type } = schema;
    if (typeof reference === "string") return this.#reference(reference);
    if (constant !== undefined) return this.#literal(constant);
    if (Array.isArray(choices)) return either(choices.map((choice) => this.#literal(choice)));
    const options = anyOf ?? oneOf;
    if (Array.isArray(options)) return either(options.map((option) => this.value(option)));
    if (Array.isArray(type)) return either(type.map((one: unknown) => this.value({ ...schema, type: one })));
    if (type === "object" || (type === undefined && isRecord(schema["properties"]))) return this.#object(schema);
    switch (type) {
      case "string": return "tool_string";
      case "integer": return INTEGER;
      case "number": return NUMBER;
      case "boolean": return '("true" | "false")';
      case "null": return '"null"';
      case "array": return this.#array(schema);
      default: return "tool_any";
    }
  }

  #array({ items, minItems }: JsonSchema): string {
    const item = this.#rule(this.value(items));
    const several = `${item} ("," ${item})*`;
    return `"[" ${typeof minItems === "number" && minItems > 0 ? several : `(${several})?`} "]"`;
  }

  /** Keys come sorted, as templates write them. */
  #object({ properties, required, additionalProperties }: JsonSchema): string {
    if (!isRecord(properties) || Object.keys(properties).length === 0) return additionalProperties === false ? '"{" "}"' : "tool_object";
    const needed: readonly unknown[] = Array.isArray(required) ? required : [];
    const folded = (key: string): string => key.toLowerCase();
    const keys = Object.keys(properties).sort((a, b) => (folded(a) < folded(b) ? -1 : folded(a) > folded(b) ? 1 : 0));
    // The rules of what may follow a key, where something stands before it and where nothing does; built from the last on.
    let [after, first] = ['""', '""'];
    for (const key of keys.reverse()) {
      const pair = `${JSON.stringify(`${key}:`)} ${this.#rule(this.value(properties[key]))} ${after}`;
      const optional = !needed.includes(key);
      [after, first] = [
        this.#rule(optional ? `"," ${pair} | ${after}` : `"," ${pair}`),
        this.#rule(optional ? `${pair} | ${first}` : pair),
      ];
    }
    return `"{" ${first} "}"`;
  }

  #literal(value: unknown): string {
    return typeof value === "string" ? `${this.#quote} ${JSON.stringify(value)} ${this.#quote}` : JSON.stringify(JSON.stringify(value));
  }

  /** A schema may refer to one that it is a part of, so the rule has its name before its text. */
  #reference(reference: string): string {
    const known = this.#references.get(reference);
    if (known !== undefined) return known;
    let schema: unknown = this.#root;
    for (const step of reference.replace(/^#\/?/, "").split("/")) {
      const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      if (key !== "") schema = isRecord(schema) ? schema[key] : undefined;
    }
    const name = this.#name();
    this.#references.set(reference, name);
    this.#rules.push(`${name}: ${this.value(schema)}`);
    return name;
  }

  #rule(body: string): string {
    if (/^(?:\w+|"")$/.test(body)) return body;
    const name = this.#name();
    this.#rules.push(`${name}: ${body}`);
    return name;
  }

  #name(): string {
    this.#count += 1;
    return `tool_${this.#prefix}_${this.#count}`;
  }
}

const either = (terms: readonly string[]): string => (terms.length === 0 ? "tool_any" : `(${terms.join(" | ")})`);
