/** Answers that the grammar of each syntax must allow, and some that it must not. */
import { TOOLS } from "./conversations.mjs";

/** A tool whose schema has all that makes grammars hard. Its keys are sorted, as Gemma has them. */
const TREE = {
  type: "function",
  function: {
    name: "tree",
    parameters: {
      $defs: {
        node: {
          type: "object",
          properties: { children: { type: "array", items: { $ref: "#/$defs/node" } }, value: { type: "integer" } },
          required: ["value"],
        },
      },
      type: "object",
      properties: {
        free: {},
        label: { type: ["string", "null"] },
        map: { type: "object" },
        mode: { enum: ["a\"b", "서울"] },
        on: { type: "boolean" },
        pick: { anyOf: [{ type: "integer" }, { const: null }] },
        root: { $ref: "#/$defs/node" },
        scale: { type: "number", format: "unheard-of" },
      },
      required: ["root"],
    },
  },
};

/** What grammars are made of. */
export const GRAMMAR_TOOLS = [...TOOLS, TREE, { type: "function", function: { name: "stop" } }];

const GOOD = [
  ["tree", { root: { value: 0 } }],
  ["tree", {
    free: [1, { a: "x" }, null], label: "두 줄\n\"둘\"", map: { k: 1, z: ["q", false] }, mode: "서울", on: true, pick: null,
    root: { children: [{ value: 1 }, { children: [{ value: -3 }], value: 2 }], value: 0 }, scale: -1.5e-3,
  }],
  ["tree", { mode: "a\"b", pick: 7, root: { children: [], value: 10 }, scale: 2 }],
  ["get_weather", { city: "Seoul" }],
  ["get_weather", { city: "", days: 3, unit: "celsius" }],
  ["now", {}],
  ["stop", {}],
];

const BAD = [
  ["tree", {}], ["tree", { root: { value: "x" } }], ["tree", { root: { children: [{}], value: 0 } }], ["tree", { on: 1, root: { value: 0 } }],
  ["tree", { mode: "c", root: { value: 0 } }], ["tree", { root: { value: 0.5 } }], ["get_weather", { days: 3 }], ["get_weather", { city: "x", days: "3 days" }],
  ["get_weather", { city: "x", unit: "kelvin" }], ["stop", { now: 1 }], ["other", {}], ["no", {}],
];

/** JSON with a space behind commas and colons, as models write it. */
function json(value) {
  if (Array.isArray(value)) return `[${value.map(json).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${json(item)}`).join(", ")}}`;
}

const notation = (quote) => function write(value) {
  if (typeof value === "string") return quote + value + quote;
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${key}:${write(item)}`).join(",")}}`;
};
const xml = ([key, value]) => `<parameter=${key}>\n${typeof value === "string" ? value : json(value)}\n</parameter>\n`;

/** For each syntax: a call, what stands between two, and what around them all. */
const FRAMES = {
  hermes: [(name, args) => `<tool_call>\n{"name": "${name}", "arguments": ${json(args)}}\n</tool_call>`, "\n"],
  exaone: [(name, args) => `<tool_call>{"name": "${name}", "arguments": ${json(args)}}</tool_call>`, "\n"],
  llama3: [(name, args) => `{"name": "${name}", "parameters": ${json(args)}}`, "; "],
  mistral: [(name, args) => `{"name": "${name}", "arguments": ${json(args)}, "id": "abcDEF123"}`, ", ", "[TOOL_CALLS][", "]"],
  "mistral-args": [(name, args) => `[TOOL_CALLS]${name}[ARGS]${json(args)}`, ""],
  "mistral-call-id": [(name, args) => `[TOOL_CALLS]${name}[CALL_ID]abcDEF123[ARGS]${json(args)}`, ""],
  granite: [(name, args) => `{"name": "${name}", "arguments": ${json(args)}}`, ", ", "<|tool_call|>[", "]"],
  command: [
    (name, args) => `{"tool_call_id": "0", "tool_name": "${name}", "parameters": ${json(args)}}`, ",\n    ", "<|START_ACTION|>[\n    ", "\n]<|END_ACTION|>",
  ],
  gemma4: [(name, args) => `<|tool_call>call:${name}${notation('<|"|>')(args)}<tool_call|>`, ""],
  functiongemma: [(name, args) => `<start_function_call>call:${name}${notation("<escape>")(args)}<end_function_call>`, ""],
  "qwen-xml": [(name, args) => `<tool_call>\n<function=${name}>\n${Object.entries(args).map(xml).join("")}</function>\n</tool_call>`, "\n"],
};

/** The grammars of a syntax, for one call and for more, and answers by whether they allow them. */
export function grammarCases(syntax) {
  const [call, between, open = "", close = ""] = FRAMES[syntax.name];
  const answer = (...calls) => open + calls.map(([name, args]) => call(name, args)).join(between) + close;
  const grammar = (parallel) => syntax.grammar(GRAMMAR_TOOLS, { parallel });
  const one = GOOD.map((call) => ({ calls: [call], answer: answer(call) }));
  const many = [{ calls: GOOD, answer: answer(...GOOD) }];
  const bad = [...BAD.map((call) => answer(call)), "", "Hi.", answer(GOOD[0]).slice(0, -1), `${answer(GOOD[0])}.`, ` ${answer(GOOD[0])}`];
  return [
    { parallel: false, grammar: grammar(false), accepts: one, rejects: [...bad, ...many.map(({ answer }) => answer)] },
    { parallel: true, grammar: grammar(true), accepts: [...one, ...many], rejects: bad },
  ];
}
