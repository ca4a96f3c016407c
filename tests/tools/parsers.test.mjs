/** What each syntax makes of answers, however they are cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { syntaxNamed } from "./source.mjs";
import { call, check, parse, text } from "./streams.mjs";

/** Texts that a careless parser trips over. */
const HARD = {
  korean: "서울특별시, 날씨는 어때요?", quotes: 'say "hi"', braces: "{[}] </tool_call> [ARGS]", backslash: "C:\\temp", newline: "a\nb\t", emoji: "👩‍👩‍👧",
};
const NESTED = { a: [1, -2.5e3, true, null, { b: [] }, {}], "키": { deep: { deeper: ["x"] } }, t: "" };

/** Syntaxes whose calls are JSON objects: how one, or a list of them, stands in an answer. */
const FRAMES = {
  hermes: { one: (json) => `<tool_call>\n${json}\n</tool_call>`, many: (all) => all.map((json) => `<tool_call>\n${json}\n</tool_call>`).join("\n"), name: "name", args: "arguments" },
  exaone: { one: (json) => `<tool_call>${json}</tool_call>`, many: (all) => all.map((json) => `<tool_call>${json}</tool_call>`).join(""), name: "name", args: "arguments" },
  llama3: { one: (json) => `<|python_tag|>${json}`, many: (all) => all.join("; "), name: "name", args: "parameters" },
  mistral: { one: (json) => `[TOOL_CALLS][${json}]`, many: (all) => `[TOOL_CALLS][${all.join(", ")}]`, name: "name", args: "arguments" },
  granite: { one: (json) => `<|tool_call|>[${json}]`, many: (all) => `<|tool_call|>[${all.join(",\n")}]`, name: "name", args: "arguments" },
  command: { one: (json) => `<|START_ACTION|>[\n    ${json}\n]<|END_ACTION|>`, many: (all) => `<|START_ACTION|>[${all.join(",")}]<|END_ACTION|>`, name: "tool_name", args: "parameters" },
};

for (const [name, frame] of Object.entries(FRAMES)) {
  const syntax = syntaxNamed(name);
  const json = (tool, args) => `{"${frame.name}": ${JSON.stringify(tool)}, "${frame.args}": ${args}}`;
  const spaced = (value) => JSON.stringify(value, null, 1);

  test(`${name}: a call, with text around it`, () => {
    check(syntax, frame.one(json("weather", '{"city": "서울"}')), call(0, "weather", { city: "서울" }));
    check(syntax, `Let me look.\n\n${frame.one(json("weather", "{}"))}\n`, [text("Let me look."), ...call(0, "weather", {})]);
    check(syntax, `${frame.one(json("f", "{}"))}\n\nDone { ok }.`, [...call(0, "f", {}), text("Done { ok }.")]);
  });

  test(`${name}: arguments of any shape`, () => {
    check(syntax, frame.one(json("f", JSON.stringify(HARD))), call(0, "f", HARD));
    check(syntax, frame.one(json("f", spaced(NESTED))), call(0, "f", NESTED));
    check(syntax, frame.one(json("f", String.raw`{"a": "\u00e9\ud83d\ude00\/\b"}`)), call(0, "f", String.raw`{"a":"\u00e9\ud83d\ude00\/\b"}`));
    // Small models break lines inside strings, which JSON does not allow.
    check(syntax, frame.one(json("f", '{"a": "1\n2"}')), call(0, "f", { a: "1\n2" }));
    check(syntax, frame.one(json("f", JSON.stringify('{"a": 1}'))), call(0, "f", '{"a": 1}'));
    check(syntax, frame.one(json("f", "null")), call(0, "f", {}));
  });

  test(`${name}: several calls`, () => {
    const answer = frame.many([json("one", "{}"), json("two", '{"n": 1}'), json("one", '{"n": [2]}')]);
    check(syntax, answer, [...call(0, "one", {}), ...call(1, "two", { n: 1 }), ...call(2, "one", { n: [2] })]);
  });

  test(`${name}: keys in another order, and others beside them`, () => {
    const swapped = `{"${frame.args}": {"a": 1}, "${frame.name}": "f"}`;
    check(syntax, frame.one(swapped), call(0, "f", { a: 1 }));
    const beside = name === "command" ? '"tool_call_id": "0"' : '"type": "function"';
    check(syntax, frame.one(`{${beside}, "${frame.name}": "f", "${frame.args}": {"a": 1}}`), call(0, "f", { a: 1 }));
  });

  test(`${name}: what is no call is text, and nothing of it is lost`, () => {
    const malformed = [
      "", "{", "nothing", "{}", `{"${frame.name}": 1}`, `{"${frame.name}": ""}`, `{"${frame.args}": {}}`, `{"other": 1}`,
      `{"${frame.name}": "f", "${frame.args}": {'a': 1}}`, `{"${frame.name}": "f", "${frame.args}": [1]}`, `{"${frame.name}": "f", "${frame.args}": {a: 1}}`,
      `{"${frame.name}": "f", "${frame.args}": "text"}`, `{'${frame.name}': 'f'}`, `{"${frame.name}" "f"}`,
    ];
    for (const json of malformed) check(syntax, `Hm: ${frame.one(json)} or so.`, [text(`Hm: ${frame.one(json)} or so.`.replace(/<\|(?:START|END)_TEXT\|>/g, ""))]);
  });

  test(`${name}: arguments that stop being JSON end where they do`, () => {
    const answer = frame.one(json("f", '{"a": 1, "b": oops}'));
    const events = parse(syntax, [answer]);
    assert.deepEqual(events.slice(0, 3), call(0, "f", '{"a":1,"b":'));
    assert.equal(events[3].text, answer.slice(answer.indexOf(" oops")));
    check(syntax, answer, events);
  });

  test(`${name}: an answer that breaks off`, () => {
    const whole = frame.one(json("weather", '{"city": "Seoul", "days": 12'));
    const cut = whole.slice(0, whole.lastIndexOf("12") + 2);
    check(syntax, cut, call(0, "weather", '{"city":"Seoul","days":12'));
    const early = whole.slice(0, whole.indexOf("weather") + 3);
    check(syntax, early, [text(early)]);
  });

  test(`${name}: arguments come as they are written`, () => {
    const parser = syntax.parser();
    const answer = frame.one(json("f", '{"text": "one two three"}'));
    const half = answer.indexOf(" two");
    assert.deepEqual(parser.push(answer.slice(0, half)).at(-1), { type: "arguments", index: 0, text: '{"text":"one' });
    assert.deepEqual(parser.push(" two"), [{ type: "arguments", index: 0, text: " two" }]);
  });
}

/** What each marker begins with is held back, and no longer than it may become one. */
const MARKERS = {
  hermes: "<tool_call>", exaone: "<tool_call>", llama3: "<|python_tag|>", mistral: "[TOOL_CALLS]", "mistral-args": "[TOOL_CALLS]", granite: "<|tool_call|>",
  command: "<|START_ACTION|>", functiongemma: "<start_function_call>", gemma4: "<|tool_call>", "qwen-xml": "<tool_call>",
};
for (const [name, marker] of Object.entries(MARKERS)) {
  test(`${name}: half a marker is held back until it is none`, () => {
    const syntax = syntaxNamed(name);
    for (let length = 1; length < marker.length; length += 1) {
      const parser = syntax.parser();
      assert.deepEqual(parser.push("a"), [text("a")]);
      assert.deepEqual(parser.push(` ${marker.slice(0, length)}`), []);
      assert.deepEqual(parser.push("~b"), [text(` ${marker.slice(0, length)}~b`)]);
      check(syntax, `1 < 2 ${marker.slice(0, length)}`, [text(`1 < 2 ${marker.slice(0, length)}`)]);
      check(syntax, `${marker.slice(0, length)}${marker.slice(0, length)}!`, [text(`${marker.slice(0, length)}${marker.slice(0, length)}!`)]);
    }
  });
}

test("llama3: the whole answer is a call, with or without the tag; other JSON is text", () => {
  const llama = syntaxNamed("llama3");
  const json = '{"name": "weather", "parameters": {"city": "Seoul"}}';
  for (const answer of [json, ` \n${json}`, `<|python_tag|>${json}`, `<|python_tag|>\n${json}\n`]) check(llama, answer, call(0, "weather", { city: "Seoul" }));
  check(llama, `{"type": "function", ${json.slice(1)}`, call(0, "weather", { city: "Seoul" }));
  for (const answer of ['{"name": "Kim"}', '{"name": "Kim", "age": 3}', ' {"city": "Seoul"}', `As JSON: ${json}`]) check(llama, answer, [text(answer)]);
  // JSON of another kind is not held back longer than its first key.
  assert.deepEqual(llama.parser().push('{"city": '), [text('{"city":')]);
  check(llama, '<|python_tag|>brave_search.call(query="x")', [text('<|python_tag|>brave_search.call(query="x")')]);
});

test("hermes: forgotten braces and tags, several objects in a tag, nested markers", () => {
  const hermes = syntaxNamed("hermes");
  check(hermes, '<tool_call>\n{"name": "f", "arguments": {"a": 1}\n</tool_call>', call(0, "f", { a: 1 }));
  check(hermes, '<tool_call>\n{"name": "f", "arguments": {"a": 1}}', call(0, "f", { a: 1 }));
  check(hermes, '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n{"name": "g"}</tool_call>', [...call(0, "f", { a: 1 }), ...call(1, "g", {})]);
  check(hermes, '<tool_call> is a tag. <tool_call>{"name": "f", "arguments": {}}</tool_call>', [text("<tool_call> is a tag."), ...call(0, "f", {})]);
  check(hermes, `<tool_call>{"name": "f", "arguments": {"a": ${"[".repeat(100)}`, [...call(0, "f", `{"a":${"[".repeat(63)}`), text("[".repeat(37))]);
});

test("mistral: names behind markers", () => {
  for (const name of ["mistral-args", "mistral-call-id", "mistral"]) {
    const syntax = syntaxNamed(name);
    const two = [...call(0, "get_weather", { city: "서울", q: 'a"[ARGS]{' }), ...call(1, "time-now.v2", {})];
    const args = '{"city": "서울", "q": "a\\"[ARGS]{"}';
    check(syntax, `[TOOL_CALLS]get_weather[ARGS]${args}[TOOL_CALLS]time-now.v2[ARGS]{}`, two);
    check(syntax, `[TOOL_CALLS]get_weather[CALL_ID]a1B2c3D4e[ARGS]${args}[TOOL_CALLS]time-now.v2[CALL_ID]123456789[ARGS]{}`, two);
    check(syntax, `Sure.[TOOL_CALLS]get_weather${args}\n[TOOL_CALLS]time-now.v2{ }`, [text("Sure."), ...two]);
    for (const answer of ["[TOOL_CALLS]", "[TOOL_CALLS]f", "[TOOL_CALLS]f[ARGS]", "[TOOL_CALLS]f[ARGS]{1}", "[TOOL_CALLS][ARGS]{}", "[TOOL_CALLS]two words[ARGS]{}"]) {
      check(syntax, answer, [text(answer)]);
    }
    check(syntax, '[TOOL_CALLS]f[ARGS]{"a": "b', call(0, "f", '{"a":"b'));
  }
});

test("command: markers around text are left out", () => {
  const command = syntaxNamed("command");
  check(command, "<|START_RESPONSE|>안녕 <b>.<|END_RESPONSE|>", [text("안녕 <b>.")]);
  check(command, "<|START_TEXT|>Hi.<|END_TEXT|>", [text("Hi.")]);
});

for (const [name, open, close, quote, response] of [
  ["functiongemma", "<start_function_call>", "<end_function_call>", "<escape>", "<start_function_response>"],
  ["gemma4", "<|tool_call>", "<tool_call|>", '<|"|>', "<|tool_response>"],
]) {
  const syntax = syntaxNamed(name);
  const q = (text) => `${quote}${text}${quote}`;
  const frame = (body) => `${open}call:${body}${close}`;

  test(`${name}: calls in its own notation`, () => {
    check(syntax, frame(`weather{city:${q("서울")},days:3}`), call(0, "weather", { city: "서울", days: 3 }));
    check(syntax, frame("now{}"), call(0, "now", {}));
    check(syntax, frame(`f{a:[1,-2.5e3,true,null,{b:[]},{}],키:{${q("deep er")}:{x:[${q("y")}]}},t:${q("")}}`), call(0, "f", { a: [1, -2500, true, null, { b: [] }, {}], 키: { "deep er": { x: ["y"] } }, t: "" }).map((event) => (event.text ? { ...event, text: event.text.replace("-2500", "-2.5e3") } : event)));
    check(syntax, frame(`f{${Object.entries(HARD).map(([key, value]) => `${key}:${q(value)}`).join(",")}}`), call(0, "f", HARD));
    check(syntax, `Hm.\n${frame("a{}")}${frame("b{n:1}")}${response}`, [text("Hm."), ...call(0, "a", {}), ...call(1, "b", { n: 1 })]);
    // What models write beside the notation: JSON's quotes, Python's words, no quotes, spaces.
    check(syntax, frame(` f { a : "x" , "b" : None, c: True, d: New York }`), call(0, "f", { a: "x", b: null, c: true, d: "New York" }));
  });

  test(`${name}: what is no call is text; what breaks off ends`, () => {
    for (const body of ["f", "f{a}", "{}", "f{:1}", "f{,}", "f{{}}", "f[1]", " "]) check(syntax, `x ${frame(body)} y`, [text(`x ${frame(body)} y`)]);
    check(syntax, `${open}weather{}${close}`, [text(`${open}weather{}${close}`)]);
    check(syntax, `${open}call:f{a:${quote}b c`, call(0, "f", '{"a":"b c'));
    check(syntax, frame(`f{a:1,b:[${q("c")}`), [...call(0, "f", '{"a":1,"b":["c"'), text(close)]);
  });
}

test("qwen-xml: arguments have the types that the tools say", () => {
  const syntax = syntaxNamed("qwen-xml");
  const properties = { s: { type: "string" }, n: { type: "integer" }, o: { type: "object" }, e: { enum: ["1", "2"] }, b: { type: "boolean" }, z: { type: ["string", "null"] } };
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object", properties } } }];
  const parameter = ([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`;
  const frame = (name, parameters) => `<tool_call>\n<function=${name}>\n${Object.entries(parameters).map(parameter).join("")}</function>\n</tool_call>`;
  const given = { s: "12", n: "12", o: '{"a": ["서울"]}', e: "1", b: "True", z: "None" };
  check(syntax, frame("f", given), call(0, "f", { s: "12", n: 12, o: { a: ["서울"] }, e: "1", b: true, z: null }), tools);
  check(syntax, frame("g", { s: "12", t: "two\n\nlines ", u: '"q"' }), call(0, "g", { s: 12, t: "two\n\nlines ", u: "q" }), tools);
  check(syntax, `Hm.\n\n${frame("f", { s: '</function> "\\' })}\n${frame("now", {})}`, [text("Hm."), ...call(0, "f", { s: '</function> "\\' }), ...call(1, "now", {})], tools);
  // The outer tag is forgotten, and the last one.
  check(syntax, "<function=f>\n<parameter=n>\n1\n</parameter>\n</function>", call(0, "f", { n: 1 }), tools);
  for (const answer of ["<tool_call>\n<function=>\n</function>", "<tool_call>\nf()\n</tool_call>", "<tool_call>\n<function=f>\n<parameter=a>\n1", "<function=f> x"]) {
    check(syntax, answer, [text(answer)], tools);
  }
});
