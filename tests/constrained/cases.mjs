/**
 * Constraints and how their answers are judged. `node tests/constrained/cases.mjs` writes them into `tests/fixtures/constrained/`, where
 * the native tests read them.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/util.mjs";

export const FIXTURE = join(ROOT, "tests/fixtures/constrained/cases.json");

const object = (properties, more = {}) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false, ...more });
const list = (items, more = {}) => ({ type: "array", items, maxItems: 4, ...more });
const text = (more = {}) => ({ type: "string", maxLength: 12, ...more });

const SCALARS = {
  null: { type: "null" },
  boolean: { type: "boolean" },
  integer: { type: "integer" },
  number: { type: "number" },
  string: { type: "string" },
  "short string": text(),
  constant: { const: "그래" },
  choice: { enum: ["하나", "둘", "셋"] },
  "mixed choice": { enum: [1, "1", null, true, [1, "a"], { a: 1 }] },
  "null or integer": { type: ["null", "integer"] },
};

const INTEGERS = [
  { minimum: 0 }, { maximum: 0 }, { minimum: -5, maximum: 5 }, { minimum: 10, maximum: 99 }, { exclusiveMinimum: 0 }, { exclusiveMaximum: 100 },
  { exclusiveMinimum: -1, exclusiveMaximum: 1 }, { minimum: 1, maximum: 1 }, { multipleOf: 7 }, { multipleOf: 25, minimum: -100, maximum: 100 },
  { minimum: 1.5, maximum: 9.5 }, { minimum: 1000000, maximum: 9007199254740991 }, { minimum: -(2 ** 63), maximum: 2 ** 63 },
  { minimum: 1990, maximum: 2030 }, { multipleOf: 3, exclusiveMinimum: 0 },
];
const NUMBERS = [
  { minimum: 0, maximum: 1 }, { exclusiveMinimum: 0, exclusiveMaximum: 1 }, { minimum: -273.15 }, { maximum: 36.6 }, { minimum: 0.1, maximum: 0.2 },
  { exclusiveMinimum: -0.5, exclusiveMaximum: 0.5 }, { minimum: 3.14159, maximum: 3.1416 }, { multipleOf: 0.5, minimum: 0, maximum: 100 },
  { multipleOf: 0.25, minimum: -2, maximum: 2 }, { minimum: 99.99, maximum: 1000 }, { exclusiveMaximum: 0 }, { minimum: -1, maximum: 0 },
];
const STRINGS = [
  { minLength: 1 }, { maxLength: 0 }, { maxLength: 1 }, { minLength: 3, maxLength: 3 }, { minLength: 20, maxLength: 40 }, { pattern: "^[a-z]+$" },
  { pattern: "^\\d{3}-\\d{4}$" }, { pattern: "x" }, { pattern: "^[가-힣]{2,4}$" }, { pattern: "^(red|green|blue)$" }, { pattern: "^.{2,5}$" },
  { pattern: "^[^a-z]*$", maxLength: 10 }, { pattern: "^\\S+\\s\\S+$", maxLength: 30 }, { pattern: "^#[0-9a-fA-F]{6}$" }, { pattern: "^\\p{Lu}\\p{Ll}{1,8}$" },
  { pattern: "a.c" , maxLength: 9 }, { pattern: "^(a|b|ab)*$", maxLength: 8 }, { pattern: "^\\w{2,}$", maxLength: 8 }, { pattern: "\\.$", maxLength: 8 },
  { pattern: "^[\\d.-]+$", maxLength: 8 }, { pattern: "^\"\\\\\"$" }, { pattern: "^\\u{1F600}{2}$" }, { pattern: "^a{2,}b?$", maxLength: 6 },
  { pattern: "^[A-Z]{2}\\/[0-9]+$", maxLength: 10 }, { pattern: "^(?<y>\\d{4})년$" }, { pattern: "^[^\\s]{1,5}$" }, { pattern: "^a|b$", maxLength: 5 },
];
const FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"];

const node = { type: "object", properties: { value: { type: "integer" }, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, required: ["value", "next"], additionalProperties: false };
const RECURSIVE = [
  { $defs: { node }, $ref: "#/$defs/node" },
  { type: "array", items: { $ref: "#" } },
  { $defs: { tree: object({ name: text(), children: list({ $ref: "#/$defs/tree" }) }) }, $ref: "#/$defs/tree" },
  { anyOf: [{ type: "integer" }, { type: "array", items: { $ref: "#" }, maxItems: 2 }] },
  { $defs: { a: object({ b: { anyOf: [{ $ref: "#/$defs/b" }, { type: "null" }] } }), b: object({ a: { anyOf: [{ $ref: "#/$defs/a" }, { type: "null" }] } }) }, $ref: "#/$defs/a" },
  { definitions: { name: text() }, ...object({ first: { $ref: "#/definitions/name" }, last: { $ref: "#/definitions/name" } }) },
  { $defs: { expr: { anyOf: [{ type: "integer" }, object({ op: { enum: ["+", "-"] }, left: { $ref: "#/$defs/expr" }, right: { $ref: "#/$defs/expr" } })] } }, $ref: "#/$defs/expr" },
  { $defs: { id: { type: "integer", minimum: 1 } }, type: "array", items: { $ref: "#/$defs/id", maximum: 9 }, minItems: 1, maxItems: 3 },
];

const COMPOSED = [
  { anyOf: [{ type: "integer" }, text()] },
  { anyOf: [object({ a: { type: "integer" } }), object({ b: text() })] },
  { oneOf: [{ type: "integer" }, { type: "string" }] },
  { oneOf: [object({ kind: { const: "a" }, x: { type: "integer" } }), object({ kind: { const: "b" }, y: text() })] },
  { oneOf: [{ type: "null" }, { type: "array", items: { type: "boolean" }, maxItems: 3 }] },
  { allOf: [{ type: "integer", minimum: 3 }, { maximum: 8 }] },
  { allOf: [text({ minLength: 2 }), { pattern: "^[a-f]+$" }] },
  { allOf: [{ type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, { type: "object", properties: { b: text() }, required: ["b"] }] },
  { allOf: [{ type: "integer", multipleOf: 4 }, { multipleOf: 6 }] },
  { type: "string", enum: ["a", "b", 3] },
  { type: ["string", "null"], maxLength: 5 },
  { type: ["array", "object", "boolean"], maxItems: 2, items: { type: "integer" }, properties: { a: { type: "null" } }, additionalProperties: false },
  { enum: ["a\"b", "c\\d", "e\nf", "g/h", "\u0001", "é", "日本", "😀"] },
  { const: { a: [1, { b: null }], "c d": "e" } },
  { const: 1.5 }, { const: -0.001 }, { const: 1e21 }, { enum: [0.1, 0.25, -7] }, { const: [] }, { const: {} }, { const: "" },
  { anyOf: [{ type: "string", format: "date" }, { type: "null" }] },
  { allOf: [{ type: "string", format: "email" }, { maxLength: 20 }] },
  { type: "string", format: "date", pattern: "^20" },
  { type: "object", properties: { a: { type: "integer" } }, anyOf: [{ required: ["a"] }, { required: ["b"] }] },
];

const OBJECTS = [
  { type: "object" },
  { type: "object", additionalProperties: { type: "integer" } },
  { type: "object", properties: { a: { type: "integer" } } },
  { type: "object", properties: { a: { type: "integer" }, b: text(), c: { type: "boolean" } }, additionalProperties: false },
  { type: "object", properties: { a: { type: "integer" }, b: text() }, required: ["b"], additionalProperties: false },
  { type: "object", properties: { a: { type: "integer" }, b: text() }, required: ["b", "a"], additionalProperties: { type: "null" } },
  { type: "object", patternProperties: { "^x_": { type: "integer" } }, additionalProperties: false },
  { type: "object", patternProperties: { "^[a-z]{1,3}$": { type: "boolean" }, "^[0-9]+$": { type: "null" } }, additionalProperties: false },
  { type: "object", properties: { xa: { minimum: 3 } }, patternProperties: { "^x": { type: "integer" } }, required: ["xa"], additionalProperties: false },
  { type: "object", minProperties: 1, additionalProperties: { type: "integer" } },
  { type: "object", maxProperties: 2, additionalProperties: { type: "boolean" } },
  { type: "object", properties: { a: { type: "null" }, b: { type: "null" } }, additionalProperties: false, minProperties: 1 },
  { type: "object", required: ["a"], minProperties: 2, additionalProperties: { type: "integer" } },
  { type: "object", required: ["이름"], additionalProperties: text() },
  object({ "키 하나": { type: "integer" }, "with \"quotes\"": { type: "null" }, "a/b": { type: "boolean" }, "": { type: "null" } }),
  object({ a: object({ b: object({ c: object({ d: object({ e: { type: "boolean" } }) }) }) }) }),
  object({ items: list(object({ id: { type: "integer", minimum: 1, maximum: 999 }, tags: list(text({ maxLength: 4 })) })) }),
  object({ name: text(), age: { type: "integer", minimum: 0, maximum: 150 } }, { title: "사람", description: "한 사람", examples: [{ name: "a", age: 1 }] }),
  { ...object({ a: { type: "integer" } }), $schema: "https://json-schema.org/draft/2020-12/schema", $id: "https://example.com/a" },
  object(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field_${i}`, { type: "boolean" }]))),
  { type: "object", properties: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`optional_${i}`, { type: "integer", minimum: 0, maximum: 9 }])), additionalProperties: false },
];

const LISTS = [
  { type: "array" }, list({ type: "integer" }), list({ type: "integer" }, { minItems: 2 }), list({ type: "boolean" }, { minItems: 4 }), { type: "array", maxItems: 0 },
  { type: "array", items: false }, { type: "array", prefixItems: [{ type: "integer" }, text()], items: false, minItems: 2 },
  { type: "array", prefixItems: [{ type: "integer" }, text()], items: { type: "boolean" }, minItems: 1, maxItems: 5 },
  { type: "array", prefixItems: [{ const: "a" }, { const: "b" }, { const: "c" }], items: false },
  list(list(list({ type: "integer" }))), list({ enum: ["a", "b"] }, { minItems: 3, maxItems: 3 }), list({ type: "number", minimum: 0, maximum: 1 }, { minItems: 3, maxItems: 3 }),
  list({ anyOf: [{ type: "null" }, { type: "integer" }] }), { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, minItems: 10, maxItems: 10 },
  { type: "array", items: { type: "null" }, minItems: 1, uniqueItems: false },
];

/** Every schema, in groups that say what they are about. */
function schemas() {
  const of = (type, all) => all.map((more) => ({ type, ...more }));
  const scalars = Object.values(SCALARS);
  const integers = of("integer", INTEGERS);
  const numbers = of("number", NUMBERS);
  const strings = of("string", STRINGS);
  const formats = FORMATS.map((format) => ({ type: "string", format }));
  return [
    ...scalars, ...integers, ...numbers, ...strings, ...formats, ...RECURSIVE, ...COMPOSED, ...OBJECTS, ...LISTS,
    // Each again where something follows it, and where it may be left out.
    ...[...scalars, ...integers, ...numbers, ...strings.slice(0, 12), ...formats].map((one) => object({ id: { type: "integer", minimum: 0, maximum: 9 }, value: one, done: { type: "boolean" } })),
    ...[...scalars, ...formats].map((one) => ({ type: "object", properties: { value: one, other: { type: "null" } }, additionalProperties: false })),
    ...[...scalars, ...COMPOSED.slice(0, 9)].map((one) => list(one, { minItems: 1, maxItems: 3 })),
    true, {},
  ];
}

/** Regular expressions, which JavaScript's own must match from begin to end. */
const REGEXES = [
  "[0-9]{4}-[0-9]{2}-[0-9]{2}", "(yes|no|maybe)", "[가-힣]{2,5}", "\\d+(\\.\\d+)?", "[A-Z][a-z]{0,9}( [A-Z][a-z]{0,9}){0,3}", "(?:a|b)*c", ".{0,20}", "\\w+@\\w+\\.(com|org)",
  "#[0-9a-f]{3}([0-9a-f]{3})?", "(\\+|-)?\\d{1,5}", "[^\\d\\s]{1,8}", "", "a?", "x{3}", "\\u0041\\x42\\t?", "(?<a>[a-c])(?<b>[x-z])", "[\\]\\[\\-^]{2}", "[a-c&&[]{1,4}", "\\$\\{\\w{1,6}\\}",
  "(예|아니요)[.!]?", "\\p{L}{1,6}", "[\\s\\S]{0,6}", "\\/path(\\/[a-z]{1,4}){1,3}", "(ab|a)(bc|c)", "^anchored$", "a{0}b", "(a*)*", "😀{1,2}|[🙂🙃]",
];

/** Grammars, and whether a text is of them. */
const LARKS = [
  { text: "start: \"yes\" | \"no\"", is: (s) => /^(yes|no)$/.test(s) },
  { text: "start: term ((\"+\" | \"-\") term)*\nterm: /[0-9]{1,4}/ | \"(\" start \")\"\n", is: (s) => /^[0-9+\-()]+$/.test(s) && balanced(s, "()") },
  { text: "start: \"[\" start* \"]\"\n", is: (s) => /^[[\]]+$/.test(s) && balanced(s, "[]") },
  { text: "start: \"<call>\" %json {\"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\"}}, \"required\": [\"n\"], \"additionalProperties\": false} \"</call>\"\n", is: (s) => Number.isInteger(JSON.parse(/^<call>(.*)<\/call>$/s.exec(s)[1]).n) },
  { text: "start: line{1,4}\nline: WORD \": \" NUMBER \"\\n\"\nWORD: /[a-z]{1,9}/\nNUMBER: /[1-9][0-9]{0,3}/\n", is: (s) => /^([a-z]{1,9}: [1-9][0-9]{0,3}\n){1,4}$/.test(s) },
  { text: "// 인사\nstart: \"안녕\" name \"!\"\nname: /[가-힣]{2,4}/", is: (s) => /^안녕[가-힣]{2,4}!$/.test(s) },
];

function balanced(text, [open, close]) {
  let depth = 0;
  for (const c of text) {
    if (c === open) depth += 1;
    if (c === close) depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** Kinds of constraints: what the native tests are given, and how an answer is judged. */
export const CASES = [
  ...schemas().map((schema) => ({ kind: "json_schema", text: JSON.stringify(schema), schema })),
  ...REGEXES.map((text) => ({ kind: "regex", text, is: (answer) => new RegExp(`^(?:${text})$`, "u").test(answer) })),
  ...LARKS.map(({ text: grammar, is }) => ({ kind: "lark", text: grammar, is })),
  { kind: "json_object", text: "", is: (answer) => { const value = JSON.parse(answer); return typeof value === "object" && value !== null && !Array.isArray(value); } },
];

/** The fixture's text. */
export const fixture = () => `[\n${CASES.map(({ kind, text }) => JSON.stringify({ kind, text })).join(",\n")}\n]\n`;

if (process.argv[1] === import.meta.filename) writeFileSync(FIXTURE, fixture());
