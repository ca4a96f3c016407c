/**
 * The syntax of FunctionGemma and of Gemma 4: a notation of its own, with keys bare and strings between markers that are tokens. Gemma 1 to
 * 3 were not trained on tools, and their templates know none.
 *
 * ```text
 * <start_function_call>call:weather{city:<escape>Seoul<escape>,days:3}<end_function_call>
 * <|tool_call>call:weather{city:<|"|>Seoul<|"|>,days:3}<tool_call|>
 * ```
 */
import { beginning } from "./call.js";
import { gemmaGrammar } from "./gemma-grammar.js";
import { escaped, json, whole, WORD, type Sink } from "./json.js";
import { plain } from "./messages.js";
import { Malformed, ScriptParser, type Script, type Tape } from "./tape.js";
import type { ChatMessage, ToolSyntax } from "./types.js";

/** How one of the models spells the notation. */
export interface GemmaMarkers {
  readonly open: string;
  readonly close: string;
  /** Around strings. */
  readonly quote: string;
  /** What a model may add behind its calls: here the results begin. */
  readonly response: string;
}

const FUNCTION_GEMMA: GemmaMarkers = {
  open: "<start_function_call>", close: "<end_function_call>", quote: "<escape>", response: "<start_function_response>",
};
const GEMMA_4: GemmaMarkers = { open: "<|tool_call>", close: "<tool_call|>", quote: '<|"|>', response: "<|tool_response>" };

/** Nested deeper than this is no call. */
const DEPTH_MAX = 64;

const syntax = (name: string, markers: GemmaMarkers): ToolSyntax => ({
  name,
  matches: (template) => template.includes(`${markers.open}call:`),
  parser: () => new ScriptParser((tape) => script(tape, markers)),
  grammar: (tools, options) => gemmaGrammar(tools, options, markers),
  toTemplate: withNames,
});

export const functionGemma = syntax("functiongemma", FUNCTION_GEMMA);
export const gemma4 = syntax("gemma4", GEMMA_4);

/** Results say which function they are of, which in the API only their calls know. */
function withNames(messages: readonly ChatMessage[]): readonly Record<string, unknown>[] {
  const names = new Map<string, string>();
  return messages.map((message) => {
    for (const call of message.tool_calls ?? []) names.set(call.id, call.function.name);
    const name = message.name ?? names.get(message.tool_call_id ?? "");
    return plain(message.role === "tool" && name !== undefined ? { ...message, name } : message);
  });
}

function* script(tape: Tape, markers: GemmaMarkers): Script<void> {
  for (;;) {
    const marker = yield* tape.marker([markers.open, markers.response]);
    if (marker === undefined) return;
    if (marker === markers.open) yield* tape.attempt(call(tape, markers));
    else tape.commit();
  }
}

function* call(tape: Tape, { quote, close }: GemmaMarkers): Script<void> {
  yield* tape.expect("call:");
  yield* tape.skip();
  const name = yield* until(tape, /^[{<\s]$/);
  if (name === "" || (yield* tape.skip()) !== "{") throw new Malformed();
  yield* value(tape, quote, beginning(tape, name), 0);
  tape.end();
  yield* tape.skip();
  yield* tape.starts(close);
}

/** Reads a value, and gives it as JSON. */
function* value(tape: Tape, quote: string, give: Sink, depth: number): Script<void> {
  if (depth > DEPTH_MAX) throw new Malformed();
  const first = yield* tape.skip();
  if (first === "{") yield* list(tape, give, "}", () => entry(tape, quote, give, depth));
  else if (first === "[") yield* list(tape, give, "]", () => value(tape, quote, give, depth + 1));
  else if (first === '"') yield* json(tape, give);
  else if (yield* tape.starts(quote)) yield* quoted(tape, quote, give);
  else give(yield* bare(tape));
}

function* list(tape: Tape, give: Sink, closer: string, item: () => Script<void>): Script<void> {
  give(yield* tape.next());
  for (let first = true; (yield* tape.skip()) !== closer; first = false) {
    if (!first) {
      yield* tape.expect(",");
      give(",");
    }
    yield* item();
  }
  give(yield* tape.next());
}

function* entry(tape: Tape, quote: string, give: Sink, depth: number): Script<void> {
  let key = "";
  const first = yield* tape.skip();
  if (first === '"') key = yield* whole(tape);
  else if (yield* tape.starts(quote)) yield* quoted(tape, quote, (text) => (key += text));
  else key = JSON.stringify((yield* until(tape, /^[:,{}[\]<]$/)).trim());
  if (key === '""') throw new Malformed();
  yield* tape.expect(":");
  give(`${key}:`);
  yield* value(tape, quote, give, depth + 1);
}

/** The rest of a string whose opening marker is read. */
function* quoted(tape: Tape, quote: string, give: Sink): Script<void> {
  give('"');
  while (!(yield* tape.starts(quote))) give(escaped(yield* tape.next()));
  give('"');
}

/** A value without a marker: a number, a word of JSON's or Python's, or text whose markers the model forgot. */
function* bare(tape: Tape): Script<string> {
  const text = (yield* until(tape, /^[,}\]<]$/)).trim();
  // At the end of the answer it may have been broken off.
  if (text === "" || (yield* tape.peek()) === "") throw new Malformed();
  const word = { None: "null", True: "true", False: "false" }[text] ?? text;
  return WORD.test(word) ? word : JSON.stringify(word);
}

/** Characters up to one of some, which stays unread. */
function* until(tape: Tape, ends: RegExp): Script<string> {
  let text = "";
  for (;;) {
    const character = yield* tape.peek();
    if (character === "" || ends.test(character)) return text;
    text += character;
    tape.take();
  }
}
