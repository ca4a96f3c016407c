/** JSON (RFC 8259) read from a tape, strictly but for one thing: control characters in strings, which small models write, are escaped. */
import { Malformed, type Script, type Tape } from "./tape.js";

/** Takes pieces of text in order. */
export type Sink = (text: string) => void;

/** Deepest value that is read. A template that is given deeper arguments would refuse them. */
const DEPTH_MAX = 64;

/** Numbers, and the three words. */
export const WORD = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

/** Reads a value, and gives its text without whitespace between tokens. A piece is never a part of an escape, a number or a word. */
export function* json(tape: Tape, give: Sink): Script<void> {
  const closers: string[] = [];
  for (;;) {
    const first = yield* tape.skip();
    if (first === "{" || first === "[") {
      if (closers.length === DEPTH_MAX) throw new Malformed();
      closers.push(first === "{" ? "}" : "]");
      tape.take();
      give(first);
      if ((yield* tape.skip()) !== closers.at(-1)) {
        if (first === "{") yield* key(tape, give);
        continue;
      }
    } else if (first === '"') {
      yield* string(tape, give);
    } else {
      yield* word(tape, give);
    }
    // A value has ended, and perhaps those around it.
    for (;;) {
      const closer = closers.at(-1);
      if (closer === undefined) return;
      const next = yield* tape.skip();
      if (next !== closer && next !== ",") throw new Malformed();
      tape.take();
      give(next);
      if (next === closer) {
        closers.pop();
      } else {
        if (closer === "}") yield* key(tape, give);
        break;
      }
    }
  }
}

/** Reads a value whole. */
export function* whole(tape: Tape): Script<string> {
  let text = "";
  yield* json(tape, (piece) => (text += piece));
  return text;
}

/** Reads a string, and gives what it says. */
export function* stringValue(tape: Tape): Script<string> {
  let text = "";
  yield* tape.skip();
  yield* string(tape, (piece) => (text += piece));
  const value: unknown = JSON.parse(text);
  return String(value);
}

/** A character as it stands in a string. */
export function escaped(character: string): string {
  return character < " " || character === '"' || character === "\\" ? JSON.stringify(character).slice(1, -1) : character;
}

function* key(tape: Tape, give: Sink): Script<void> {
  yield* tape.skip();
  yield* string(tape, give);
  yield* tape.expect(":");
  give(":");
}

function* string(tape: Tape, give: Sink): Script<void> {
  if ((yield* tape.next()) !== '"') throw new Malformed();
  give('"');
  for (;;) {
    const character = yield* tape.next();
    if (character === "\\") {
      let escape = yield* tape.next();
      if (escape === "u") for (let digits = 0; digits < 4; digits += 1) escape += yield* tape.next();
      if (!/^(?:["\\/bfnrt]|u[\da-fA-F]{4})$/.test(escape)) throw new Malformed();
      give(`\\${escape}`);
    } else if (character === '"') {
      give('"');
      return;
    } else {
      give(escaped(character));
    }
  }
}

function* word(tape: Tape, give: Sink): Script<void> {
  let text = "";
  for (;;) {
    const character = yield* tape.peek();
    if (!/^[-+.\w]$/.test(character)) break;
    text += character;
    tape.take();
  }
  // At the end of the answer it may have been broken off.
  const broken = (yield* tape.peek()) === "";
  if (broken || WORD.test(text)) give(text);
  if (broken || !WORD.test(text)) throw new Malformed();
}
