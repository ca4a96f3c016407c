/** Grammars: what they allow is read back, what they refer to is there. `tool-fixtures.py` runs them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GRAMMAR_TOOLS, grammarCases } from "./grammars.mjs";
import { renamedStart, SYNTAXES, syntaxNamed } from "./source.mjs";
import { call, check } from "./streams.mjs";

const known = JSON.parse(readFileSync(new URL("../fixtures/tools/grammars.json", import.meta.url), "utf8"));

for (const syntax of SYNTAXES) {
  const cases = grammarCases(syntax);

  test(`${syntax.name}: the grammars are those that llguidance was given (else run scripts/tool-fixtures.py)`, () => {
    assert.deepEqual(known.syntaxes[syntax.name], JSON.parse(JSON.stringify(cases)));
  });

  test(`${syntax.name}: what the grammar allows is read back as the calls that it is`, () => {
    for (const { calls, answer } of cases.flatMap(({ accepts }) => accepts)) {
      check(syntax, answer, calls.flatMap(([name, args], index) => call(index, name, args)), GRAMMAR_TOOLS);
    }
  });

  test(`${syntax.name}: rules and schemas refer to what is there`, () => {
    for (const { grammar } of cases) {
      const schemas = [];
      const rules = grammar.split("\n").map((line) => line.replace(/%json (\{.*\})/, (_, schema) => {
        schemas.push(JSON.parse(schema));
        return '""';
      }));
      const names = rules.map((line) => /^(\w+)(?:\[.*?\])?: /.exec(line)?.[1]);
      // A caller joins them with other grammars.
      assert.ok(names.every((name) => name === "start" || /^tool_/i.test(name)), rules.join("\n"));
      assert.equal(new Set(names).size, names.length);
      for (const line of rules) {
        const used = line.replace(/^\w+(?:\[.*?\])?: /, "").replace(/"(?:\\.|[^"\\])*"|\/(?:\\.|[^/\\])+\//g, " ").match(/\b[a-zA-Z_]\w*\b/g) ?? [];
        for (const name of used) assert.ok(names.includes(name), `${name} in ${line}`);
      }
      for (const schema of schemas) {
        for (const [, reference] of JSON.stringify(schema).matchAll(/"\$ref":"#\/([^"]*)"/g)) {
          assert.notEqual(reference.split("/").reduce((value, key) => value?.[key], schema), undefined, reference);
        }
      }
    }
  });
}

test("what llguidance does not know is passed over, but not where a tool is strict", () => {
  const grammar = (strict) => syntaxNamed("hermes").grammar([{ type: "function", function: { name: "f", strict } }], { parallel: false });
  for (const strict of [undefined, null, false]) assert.match(grammar(strict), /"lenient":true/);
  assert.match(grammar(true), /"lenient":false/);
});

test("special tokens are named where they can be, or said by id; all else is text", () => {
  const special = (ids) => (text) => ids[text];
  const first = (name, ids) => syntaxNamed(name).grammar(GRAMMAR_TOOLS, { parallel: false, special: special(ids) });
  assert.match(first("hermes", {}), /"<tool_call>" "\\n" tool_object "\\n" "<\/tool_call>"/);
  assert.match(first("hermes", { "<tool_call>": true, "</tool_call>": 7 }), / <tool_call> "\\n" tool_object "\\n" <\[7\]>/);
  assert.match(first("mistral", { "[TOOL_CALLS]": true }), /^start: "\[TOOL_CALLS\]" /);
  assert.match(first("mistral", { "[TOOL_CALLS]": 5 }), /^start: <\[5\]> /);
  assert.match(first("gemma4", { '<|"|>': true }), /^tool_string: <\|"\|> tool_text$/m);
  assert.match(first("gemma4", { '<|"|>': 0 }), /^tool_text: TOOL_TEXT <\[0\]>$/m);
});

test("a grammar's first rule has another name wherever it is named, and nowhere else", () => {
  const grammar = 'start: "(" start ")" | "start \\" start" | /start\\/ start/ | %json {"start":"start"} // start: start\nrestart: start_2 START start?';
  assert.equal(renamedStart(grammar, "body"), 'body: "(" body ")" | "start \\" start" | /start\\/ start/ | %json {"start":"start"} // start: start\nrestart: start_2 START body?');
});
