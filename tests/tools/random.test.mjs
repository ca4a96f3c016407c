/** Random answers, and calls that went wrong: parsers never throw, never lose text, and do not see how a stream is cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { grammarCases } from "./grammars.mjs";
import { SYNTAXES } from "./source.mjs";
import { parse } from "./streams.mjs";

/** Random numbers below 1, the same each time (xorshift). */
function random(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const PIECES = [
  "<tool_call>", "</tool_call>", "<function=", "f>", "<parameter=", "a>", "</parameter>", "</function>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]",
  "<|tool_call|>", "<|START_ACTION|>", "<|END_ACTION|>", "<|START_TEXT|>", "<start_function_call>", "<end_function_call>", "<escape>", "<|tool_call>", "<tool_call|>",
  '<|"|>', "<|tool_response>", "call:f", '{"name": "f", "arguments": ', '{"name": "f", "parameters": ', '{"tool_name": "f", "parameters": ', '{"a": 1}', "{}", "{", "}", "[", "]", ",",
  ":", ";", '"', "\\", "\\u12", '"name"', '"arguments"', "null", "tru", "-1.5e3", "1", " ", "\n", "  \n", "text", "서울", "👩", "<", "<|", "[T", "f", "a:", "'",
];
/** Markers that some syntaxes leave out. */
const SILENT = /<\|(?:START|END)_(?:TEXT|RESPONSE)\|>|<\|tool_response>|<start_function_response>/g;

/** Pieces in a row, or answers with calls of which parts are lost, doubled or among others. */
function answerOf(next, calls) {
  const any = (list) => list[Math.floor(next() * list.length)];
  if (next() < 0.3) return Array.from({ length: 1 + Math.floor(next() * 14) }, () => any(PIECES)).join("");
  let answer = any(calls);
  for (let edits = Math.floor(next() * 4); edits > 0; edits -= 1) {
    const [from, to] = [next(), next()].map((share) => Math.floor(share * answer.length)).sort((a, b) => a - b);
    const end = Math.min(to, from + 12);
    answer = answer.slice(0, from) + any(["", any(PIECES), answer.slice(from, end).repeat(2)]) + answer.slice(end);
  }
  return answer;
}

for (const syntax of SYNTAXES) {
  test(`${syntax.name}: random answers`, () => {
    const next = random(0x2545f491);
    const answers = grammarCases(syntax).flatMap(({ accepts }) => accepts.map(({ answer }) => answer));
    let [called, silent] = [0, 0];
    for (let round = 0; round < 1000; round += 1) {
      const answer = answerOf(next, answers);
      const events = parse(syntax, [answer]);
      const cut = [0, 0, 0].map(() => Math.floor(next() * answer.length)).sort((a, b) => a - b);
      const pieces = [...cut, answer.length].map((end, at) => answer.slice(cut[at - 1] ?? 0, end));
      for (const cutting of [answer.split(""), pieces]) assert.deepEqual(parse(syntax, cutting), events, JSON.stringify(answer));

      // Each call begins, has arguments and ends, one after the other.
      const kinds = events.filter(({ type }) => type !== "text").map(({ type, index }) => `${type} ${index}`);
      const calls = kinds.filter((kind) => kind.startsWith("call")).length;
      const wanted = Array.from({ length: calls }, (_, index) => [`call ${index}`, `arguments ${index}`, `end ${index}`]).flat();
      assert.deepEqual(kinds, wanted, JSON.stringify(answer));
      called += calls;
      if (calls > 0) continue;
      const bare = (text) => text.replaceAll(SILENT, (marker) => (leavesOut(syntax, marker) ? "" : marker)).replaceAll(/\s/g, "");
      assert.equal(bare(events.map(({ text }) => text).join("")), bare(answer), JSON.stringify(answer));
      silent += 1;
    }
    assert.ok(called > 200 && silent > 200, `${called} calls, ${silent} answers without any`);
  });

  test(`${syntax.name}: long answers take no long time`, () => {
    const hostile = ["<tool_call>{", '<tool_call>{"name": "', "[TOOL_CALLS]a", "<|tool_call>call:a", "\n", "{", '{"name": "f", "parameters": {"a": [', "<|START_ACTION|>[", "<function=f"];
    const start = performance.now();
    for (const piece of hostile) parse(syntax, Array(Math.ceil(16_384 / piece.length)).fill(piece));
    // A second or so; the limit leaves room for a loaded machine.
    assert.ok(performance.now() - start < 30_000);
  });
}

function leavesOut({ name }, marker) {
  if (name === "command") return /^<\|(?:START|END)_/.test(marker);
  return marker === { gemma4: "<|tool_response>", functiongemma: "<start_function_response>" }[name];
}
