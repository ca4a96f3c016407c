/** Reasoning and answer are told apart, however a stream is cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasoningOf, ReasoningSplitter, syntaxNamed } from "./source.mjs";
import { call, cuts, joined, text } from "./streams.mjs";

/** What templates of each kind have in them, as they spell it. */
const TEMPLATES = {
  "<think>": "{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}",
  "<thought>": "{{ '[|assistant|]<thought>\\n' }}",
  "<|START_THINKING|>": "<|START_THINKING|>{{ message.reasoning_content }}<|END_THINKING|>",
  "<|channel>thought\n": "{{- '<|channel>thought\\n<channel|>' -}}",
  "[THINK]": "{{ '[THINK]' + block['thinking'] + '[/THINK]' }}",
  "<|inner_prefix|>": "{%- set inner_token = '<|inner_prefix|>' -%}{%- set outer_token = '<|inner_suffix|>' -%}",
};

function split(reasoning, prompt, pieces) {
  const splitter = new ReasoningSplitter(reasoning, prompt);
  const told = { reasoning: "", text: "" };
  for (const piece of [...pieces.map((piece) => splitter.push(piece)), splitter.finish()]) {
    // Reasoning is over when the answer begins, and a piece that says nothing is absent.
    assert.ok(piece.reasoning === undefined || told.text === "");
    assert.ok(piece.reasoning !== "" && piece.text !== "");
    told.reasoning += piece.reasoning ?? "";
    told.text += piece.text ?? "";
  }
  return told;
}

function check(reasoning, prompt, answer, expected) {
  for (const pieces of cuts(answer)) assert.deepEqual(split(reasoning, prompt, pieces), { reasoning: "", text: "", ...expected }, JSON.stringify(pieces));
}

for (const [open, template] of Object.entries(TEMPLATES)) {
  test(`${JSON.stringify(open)}: a block, opened by the model or by the prompt`, () => {
    const reasoning = reasoningOf(template);
    assert.equal(reasoning?.open, open);
    const { close } = reasoning;
    const thought = "생각: 1 < 2 &\n\n</b> [x]";
    const expected = { reasoning: thought, text: `Yes.\n${open} stays.` };
    const rest = `${thought}\n${close}\n\nYes.\n${open} stays.`;
    check(reasoning, "<|im_start|>assistant\n", `${open}\n${rest}`, expected);
    check(reasoning, "<|im_start|>assistant\n", `\n${open}${rest}`, expected);
    check(reasoning, `<|im_start|>assistant\n${open}`, rest, expected);
    check(reasoning, `<|im_start|>assistant\n${open}\n`, `\n${rest}`, expected);
  });

  test(`${JSON.stringify(open)}: no block, an empty one, and one that is not closed`, () => {
    const reasoning = reasoningOf(template);
    const { close } = reasoning;
    check(reasoning, "", "  Just text.\n", { text: "  Just text.\n" });
    check(reasoning, `${open}\n\n${close}\n\n`, "Just text.", { text: "Just text." });
    check(reasoning, "", `${open}\n\n${close}\n\nHi.`, { text: "Hi." });
    check(reasoning, "", `Text ${open}a${close}`, { text: `Text ${open}a${close}` });
    check(reasoning, open, "a b\n", { reasoning: "a b\n" });
    check(reasoning, open, `a ${close.slice(0, -1)}`, { reasoning: `a ${close.slice(0, -1)}` });
    check(reasoning, "", open.slice(0, -1), { text: open.slice(0, -1) });
    check(reasoning, "", `${open.slice(0, -1)}~ x`, { text: `${open.slice(0, -1)}~ x` });
    check(reasoning, "", "", {});
  });
}

test("a template that only cuts reasoning off has it too; others have none", () => {
  assert.equal(reasoningOf("{% set content = content.split('</think>')[-1] %}")?.open, "<think>");
  assert.equal(reasoningOf("{{ message.content }} I think so."), undefined);
});

test("what is told is given at once", () => {
  const splitter = new ReasoningSplitter({ open: "<think>", close: "</think>" }, "<think>\n");
  assert.deepEqual(splitter.push("one"), { reasoning: "one" });
  assert.deepEqual(splitter.push(" two <"), { reasoning: " two" });
  assert.deepEqual(splitter.push("3"), { reasoning: " <3" });
  assert.deepEqual(splitter.push("\n</think>\n\nfour "), { text: "four " });
  assert.deepEqual(splitter.push("five\n"), { text: "five\n" });
  assert.deepEqual(splitter.finish(), {});
});

test("a call behind reasoning: what the splitter gives as text is what a parser takes", () => {
  const answer = "Shall I <tool_call>?\n</think>\n\nLet me look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</think>\"}}\n</tool_call>";
  for (const pieces of cuts(answer)) {
    const splitter = new ReasoningSplitter({ open: "<think>", close: "</think>" }, "<think>\n");
    const parser = syntaxNamed("hermes").parser();
    const events = [];
    let reasoning = "";
    for (const piece of [...pieces.map((piece) => splitter.push(piece)), splitter.finish()]) {
      reasoning += piece.reasoning ?? "";
      events.push(...parser.push(piece.text ?? ""));
    }
    events.push(...parser.finish());
    assert.equal(reasoning, "Shall I <tool_call>?");
    assert.deepEqual(joined(events), [text("Let me look."), ...call(0, "f", { a: "</think>" })]);
  }
});
