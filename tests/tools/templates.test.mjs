/** Syntaxes and chat templates: which is whose, what a template is given, and that calls which it writes are read back. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CONVERSATIONS, TOOLS, TURNS } from "./conversations.mjs";
import { SYNTAXES, syntaxNamed, syntaxOf } from "./source.mjs";
import { call, check, text } from "./streams.mjs";

const fixture = (name) => readFileSync(new URL(`../fixtures/tools/${name}`, import.meta.url), "utf8");

test("every syntax has a template, which is told to be its own", () => {
  assert.deepEqual(SYNTAXES.map(({ name }) => name).sort(), Object.keys(TURNS).sort());
  for (const { name } of SYNTAXES) assert.equal(syntaxOf(fixture(`${name}.jinja`))?.name, name);
});

test("templates without tools, and with others', have no syntax", () => {
  const chatml = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
  const gemma3 = "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}";
  const glm = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{name}<arg_key>{key}</arg_key> {\"arguments\": …}";
  const lfm = "{% if tools %}List of tools: {{ tools | tojson }}{% endif %}<|tool_call_start|>[f(a='b')]<|tool_call_end|>";
  const deepseek = "{% if tools %}{{ tools | tojson }}{% endif %}<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function";
  for (const template of ["", chatml, gemma3, glm, lfm, deepseek, 'Says <tool_call> {"arguments": 1} and knows none.']) assert.equal(syntaxOf(template), undefined, template);
});

for (const syntax of SYNTAXES) {
  const { name } = syntax;
  const golden = JSON.parse(fixture(`${name}.json`));

  test(`${name}: the goldens are of what toTemplate gives (else run scripts/tool-fixtures.py)`, () => {
    assert.deepEqual(golden.tools, TOOLS);
    assert.deepEqual(golden.cases.map((known) => known.name), Object.keys(CONVERSATIONS));
    for (const known of golden.cases) {
      const { messages, tools } = CONVERSATIONS[known.name];
      const given = structuredClone(messages);
      assert.deepEqual(syntax.toTemplate(messages), known.messages, known.name);
      assert.equal(tools, known.tools);
      assert.deepEqual(messages, given, "the caller's messages stay as they are");
    }
  });

  test(`${name}: calls are read back from what the template makes of them`, () => {
    let seen = 0;
    for (const [title, { messages }] of Object.entries(CONVERSATIONS)) {
      const last = messages.at(-1);
      if (last.tool_calls === undefined) continue;
      const { rendered } = golden.cases.find((known) => known.name === title);
      const [header, end] = TURNS[name];
      assert.ok(rendered.endsWith(end), title);
      const answer = rendered.slice(0, -end.length).split(header).at(-1);
      // Some templates leave out text beside calls, Gemma 4's has it behind them, and Llama's gives each call a turn.
      const spoken = answer.includes("Let me look.") ? [text("Let me look.")] : [];
      const written = name === "llama3" ? last.tool_calls.slice(-1) : last.tool_calls;
      const calls = written.flatMap(({ function: { name: called, arguments: args } }, index) => call(index, called, sorted(name, args)));
      check(syntax, answer, name === "gemma4" ? [...calls, ...spoken] : [...spoken, ...calls], TOOLS);
      seen += 1;
    }
    assert.equal(seen, 7);
  });
}

/** The JSON of arguments, with keys as the template sorts them. */
function sorted(syntax, args) {
  const value = JSON.parse(args === "" ? "{}" : args);
  if (!syntax.includes("gemma")) return JSON.stringify(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}

test("mistral: ids are nine letters and digits, the same for a call and its result, and kept where they are so", () => {
  const messages = syntaxNamed("mistral").toTemplate([...CONVERSATIONS.results.messages, ...CONVERSATIONS.nested.messages]);
  const ids = messages.flatMap((message) => (message.tool_calls ?? []).map(({ id }) => id));
  for (const id of ids) assert.match(id, /^[a-z0-9A-Z]{9}$/);
  assert.equal(new Set(ids).size, 3);
  assert.deepEqual(messages.filter(({ role }) => role === "tool").map((message) => message.tool_call_id), ids.slice(0, 2));
  assert.equal(ids[2], "abcDEF123");
  const many = Array.from({ length: 5000 }, (_, at) => ({ role: "tool", content: "", tool_call_id: `call_${at}` }));
  assert.equal(new Set(syntaxNamed("mistral").toTemplate(many).map((message) => message.tool_call_id)).size, 5000);
});

test("llama3: several calls become turns of one, each before its result", () => {
  const messages = syntaxNamed("llama3").toTemplate(CONVERSATIONS.results.messages);
  const kinds = messages.map((message) => message.tool_calls?.map(({ function: { arguments: { city } } }) => city).join() ?? message.content);
  assert.deepEqual(kinds, ["Be brief.", "Seoul or Paris?", "Seoul", "clear", "Paris", 'rain, "heavy"', "Seoul.", "And now?"]);
  // A result of no call of the message stays, behind those that are.
  const [, question, called] = CONVERSATIONS.results.messages;
  const stray = { role: "tool", tool_call_id: "other", content: "stray" };
  assert.equal(syntaxNamed("llama3").toTemplate([question, called, stray, question]).at(-2).content, "stray");
});

test("what is absent stays absent, developers are systems, arguments that are no object stay text", () => {
  const [developer, assistant, image] = syntaxNamed("hermes").toTemplate([
    { role: "developer", content: "Be brief.", name: "dev" },
    { role: "assistant", content: null, reasoning_content: "Hm.", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{oops" } }] },
    { role: "user", content: [{ type: "text", text: "a" }, { type: "image_url" }] },
  ]);
  assert.deepEqual(developer, { role: "system", content: "Be brief.", name: "dev" });
  assert.deepEqual(assistant, {
    role: "assistant", content: "", reasoning_content: "Hm.", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{oops" } }],
  });
  assert.deepEqual(image.content, [{ type: "text", text: "a" }, { type: "image_url" }]);
  const [plain] = syntaxNamed("hermes").toTemplate([{ role: "assistant", content: "x", tool_calls: null, reasoning_content: null }]);
  assert.deepEqual(plain, { role: "assistant", content: "x" });
  assert.deepEqual(syntaxNamed("llama3").toTemplate([{ role: "assistant", content: "x", tool_calls: [] }]), [{ role: "assistant", content: "x" }]);
});
