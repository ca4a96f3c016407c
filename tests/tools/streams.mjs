/** Answers as streams, and what parsers make of them. */
import assert from "node:assert/strict";

/** Events with neighbouring texts, and neighbouring pieces of a call's arguments, joined. */
export function joined(events) {
  const out = [];
  for (const event of events) {
    const last = out.at(-1);
    if (event.type === last?.type && event.index === last.index && event.text !== undefined) last.text += event.text;
    else out.push({ ...event });
  }
  return out;
}

/** All events of an answer that comes in these pieces. */
export function parse(syntax, pieces, tools) {
  const parser = syntax.parser(tools);
  const events = pieces.flatMap((piece) => [...parser.push(piece)]);
  return joined([...events, ...parser.finish()]);
}

/** The ways to cut a text: not, in two at every position, into characters. */
export function* cuts(text) {
  yield [text];
  for (let at = 0; at <= text.length; at += 1) yield [text.slice(0, at), text.slice(at)];
  yield text.split("");
  yield [...text].flatMap((character) => [character, ""]);
}

/** Checks an answer's events, however it is cut. */
export function check(syntax, answer, expected, tools) {
  for (const pieces of cuts(answer)) assert.deepEqual(parse(syntax, pieces, tools), expected, JSON.stringify(pieces));
}

/** The events of text, of a call, and of one that broke off or went wrong. */
export const text = (text) => ({ type: "text", text });
export const call = (index, name, args) => [
  { type: "call", index, name },
  { type: "arguments", index, text: typeof args === "string" ? args : JSON.stringify(args) },
  { type: "end", index },
];
