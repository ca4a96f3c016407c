/**
 * Parsers as scripts. A script reads characters as if all were there, and is a generator, so that it can wait where there are none yet.
 * It never sees how a stream is cut. What it reads stays on the tape until it is committed; what turns out malformed is read again,
 * as text.
 */
import { search } from "./search.js";
import type { StreamParser, ToolEvent } from "./types.js";

/** A script, or a part of one; it gives a `Result` when it is through. */
export type Script<Result> = Generator<undefined, Result, undefined>;

/** Thrown by a script: what it reads is no call. `Tape.attempt` catches it. */
export class Malformed extends Error {}

/** The characters of an answer, and the events that a script makes of them. */
export class Tape {
  /** From the first character that is not yet accounted for. */
  #input = "";
  /** How many of them are read. */
  #at = 0;
  #ended = false;
  #events: ToolEvent[] = [];
  #calls = 0;
  /** A call has begun and not ended. */
  #open = false;
  #committed = false;

  /** Adds characters. */
  feed(text: string): void {
    this.#input += text;
  }

  /** No more characters come. */
  close(): void {
    this.#ended = true;
  }

  /** The events since the last time. */
  events(): readonly ToolEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** The next character, which stays unread; empty at the end of the answer. */
  *peek(): Script<string> {
    while (this.#at >= this.#input.length && !this.#ended) yield;
    return this.#input.charAt(this.#at);
  }

  /** Reads the character that was looked at. */
  take(): void {
    this.#at += 1;
  }

  /** Reads a character; there must be one. */
  *next(): Script<string> {
    const character = yield* this.peek();
    if (character === "") throw new Malformed();
    this.take();
    return character;
  }

  /** Reads whitespace, and looks at the character behind it. */
  *skip(): Script<string> {
    for (;;) {
      const character = yield* this.peek();
      if (!/^\s$/.test(character)) return character;
      this.take();
    }
  }

  /** Reads a text if it follows. */
  *starts(text: string): Script<boolean> {
    for (;;) {
      const rest = this.#input.slice(this.#at, this.#at + text.length);
      if (rest === text) {
        this.#at += text.length;
        return true;
      }
      if (this.#ended || !text.startsWith(rest)) return false;
      yield;
    }
  }

  /** Reads a text behind whitespace; it must follow. */
  *expect(text: string): Script<void> {
    yield* this.skip();
    if (!(yield* this.starts(text))) throw new Malformed();
  }

  /** Gives text until a marker comes, and reads that; `undefined` at the end of the answer. */
  *marker(markers: readonly string[]): Script<string | undefined> {
    for (;;) {
      const { before, marker, end } = search(this.#input, markers, this.#ended);
      this.#at = before.length;
      this.text(before);
      if (marker !== undefined) {
        this.#at = end - before.length;
        return marker;
      }
      if (this.#ended) return undefined;
      yield;
    }
  }

  /** Runs a script that reads calls. Where it finds none, what was read is given as text, and reading goes on behind the marker. */
  *attempt(script: Script<void>): Script<void> {
    const marker = this.#at;
    this.#committed = false;
    try {
      yield* script;
      yield* this.skip();
      this.commit();
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      // Half of an escape or of a marker, where the answer breaks off, is of no use to anybody.
      const broken = this.#ended && this.#at >= this.#input.length;
      this.#at = this.#open && broken ? this.#input.length : 0;
      if (this.#open) this.end();
      this.#at = this.#committed ? 0 : marker;
      if (!this.#committed) this.text(this.#input.slice(0, marker));
    }
  }

  /** Gives text, and commits. */
  text(text: string): void {
    this.commit();
    const last = this.#events.at(-1);
    if (last?.type === "text") this.#events[this.#events.length - 1] = { type: "text", text: last.text + text };
    else if (text !== "") this.#events.push({ type: "text", text });
  }

  /** A call begins. */
  begin(name: string): void {
    this.commit();
    this.#open = true;
    this.#events.push({ type: "call", index: this.#calls, name });
  }

  /** A piece of the open call's arguments. */
  piece(text: string): void {
    this.commit();
    const last = this.#events.at(-1);
    const index = this.#calls;
    if (last?.type === "arguments") this.#events[this.#events.length - 1] = { type: "arguments", index, text: last.text + text };
    else if (text !== "") this.#events.push({ type: "arguments", index, text });
  }

  /** The open call ends. */
  end(): void {
    this.commit();
    this.#open = false;
    this.#events.push({ type: "end", index: this.#calls });
    this.#calls += 1;
  }

  /** What is read is accounted for. */
  commit(): void {
    this.#input = this.#input.slice(this.#at);
    this.#at = 0;
    this.#committed = true;
  }
}

/** A parser that runs a script. */
export class ScriptParser implements StreamParser {
  readonly #tape = new Tape();
  readonly #script: Script<void>;

  constructor(script: (tape: Tape) => Script<void>) {
    this.#script = script(this.#tape);
  }

  push(text: string): readonly ToolEvent[] {
    this.#tape.feed(text);
    this.#script.next();
    return this.#tape.events();
  }

  finish(): readonly ToolEvent[] {
    this.#tape.close();
    this.#script.next();
    return this.#tape.events();
  }
}
