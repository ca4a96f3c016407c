/** Calls that are JSON objects: `{"name": …, "arguments": {…}}`, by whatever names a syntax has for the two. */
import { json, stringValue, whole, type Sink } from "./json.js";
import { Malformed, type Script, type Tape } from "./tape.js";

/** The keys of a call. */
export interface CallShape {
  /** Of the function's name. */
  readonly name: string;
  /** Of its arguments. */
  readonly arguments: readonly string[];
  /** What may stand beside them, and is not looked at. With any other key an object is no call. */
  readonly beside: readonly string[];
  /** An object without arguments is no call. Otherwise it is one without arguments. */
  readonly strict?: boolean;
}

/** Reads one call, several after each other, or an array of them. */
export function* calls(tape: Tape, shape: CallShape): Script<void> {
  const array = (yield* tape.skip()) === "[";
  if (array) tape.take();
  for (;;) {
    yield* call(tape, shape);
    const next = yield* tape.skip();
    if (array && next === "]") {
      tape.take();
      return;
    }
    if (next === "," || next === ";") tape.take();
    else if (next !== "{") return;
  }
}

/** Reads the object of a function's arguments, which makes the call begin. */
export function* args(tape: Tape, name: string): Script<void> {
  if ((yield* tape.skip()) !== "{") {
    // Some models write the object as a string, or nothing as `null`.
    const text = object(yield* whole(tape));
    tape.begin(name);
    tape.piece(text);
  } else {
    yield* json(tape, beginning(tape, name));
  }
  tape.end();
}

/** Takes the text of an object. The call begins with its second piece: only then is it more than a brace. */
export function beginning(tape: Tape, name: string): Sink {
  let brace: string | undefined;
  let begun = false;
  return (text) => {
    if (brace === undefined) {
      brace = text;
      return;
    }
    if (!begun) {
      tape.begin(name);
      text = brace + text;
      begun = true;
    }
    tape.piece(text);
  };
}

function* call(tape: Tape, shape: CallShape): Script<void> {
  let name: string | undefined;
  /** Arguments that came before the name. */
  let early: string | undefined;
  let done = false;
  yield* tape.expect("{");
  for (;;) {
    const key = yield* stringValue(tape);
    yield* tape.expect(":");
    if (key === shape.name && name === undefined) {
      name = yield* stringValue(tape);
      if (name === "") throw new Malformed();
    } else if (shape.arguments.includes(key) && !done && early === undefined) {
      if (name === undefined) {
        early = object(yield* whole(tape));
      } else {
        yield* args(tape, name);
        done = true;
      }
    } else if (shape.beside.includes(key)) {
      yield* json(tape, () => undefined);
    } else {
      throw new Malformed();
    }
    const next = yield* tape.skip();
    if (next === ",") {
      tape.take();
    } else if (next === "}") {
      tape.take();
      break;
    } else if (done) {
      // Small models forget the last brace.
      break;
    } else {
      throw new Malformed();
    }
  }
  if (!done) {
    if (name === undefined || (early === undefined && shape.strict === true)) throw new Malformed();
    tape.begin(name);
    tape.piece(early ?? "{}");
    tape.end();
  }
  tape.commit();
}

/** The text of an object that is written as itself, as a string, or as `null`. */
function object(text: string): string {
  if (text.startsWith("{")) return text;
  const value: unknown = JSON.parse(text);
  if (value === null) return "{}";
  if (typeof value !== "string" || !isObject(value)) throw new Malformed();
  return value;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
