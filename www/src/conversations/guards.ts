/**
 * Reads a conversation out of a value from outside: a file, or the database. What is not as `types.ts` says is a `BadField`
 * with the place and what was expected there; fields that are not known are left out.
 */
import { ROOT, type ChatSettings, type Conversation, type Role, type Statistics, type Summary, type ToolCall, type Turn } from "./types.js";

/** A value that is not what it should be; `path` reads as `turns[3].role`. */
export class BadField extends Error {
  override readonly name = "BadField";
  readonly path: string;
  readonly expected: string;

  constructor(path: string, expected: string) {
    super(`${path === "" ? "it" : path} is not ${expected}`);
    this.path = path;
    this.expected = expected;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The field of a record itself, never one of `Object.prototype`. */
export function fieldOf(record: Fields, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Reads fields of one record and remembers where it stands. */
class Reader {
  readonly #record: Fields;
  readonly #at: string;

  constructor(value: unknown, at: string) {
    if (!isRecord(value)) throw new BadField(at, "an object");
    this.#record = value;
    this.#at = at;
  }

  at(name: string): string {
    return this.#at === "" ? name : `${this.#at}.${name}`;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  raw(name: string): unknown {
    return fieldOf(this.#record, name);
  }

  string(name: string): string {
    const value = this.raw(name);
    if (typeof value !== "string") throw new BadField(this.at(name), "a text");
    return value;
  }

  id(name: string): string {
    const value = this.string(name);
    // `__proto__` as a key would not be a field.
    if (value === ROOT || value === "__proto__") throw new BadField(this.at(name), "an id");
    return value;
  }

  stringOrNull(name: string): string | null {
    return this.raw(name) === null ? null : this.string(name);
  }

  number(name: string): number {
    const value = this.raw(name);
    if (typeof value !== "number" || !Number.isFinite(value)) throw new BadField(this.at(name), "a number");
    return value;
  }

  /** Milliseconds that a date can be made of. */
  time(name: string): number {
    const value = this.number(name);
    if (Number.isNaN(new Date(value).getTime())) throw new BadField(this.at(name), "a time");
    return value;
  }

  boolean(name: string): boolean {
    const value = this.raw(name);
    if (typeof value !== "boolean") throw new BadField(this.at(name), "true or false");
    return value;
  }

  list<T>(name: string, read: (value: unknown, at: string) => T): readonly T[] {
    const value: unknown = this.raw(name);
    if (!Array.isArray(value)) throw new BadField(this.at(name), "a list");
    return value.map((item: unknown, index) => read(item, `${this.at(name)}[${index}]`));
  }

  /** The field under its name when it is there; nothing otherwise. */
  optional<K extends string, T>(name: K, read: () => T): Partial<Record<K, T>> {
    if (!this.has(name)) return {};
    const found: Partial<Record<K, T>> = {};
    found[name] = read();
    return found;
  }
}

function readString(value: unknown, at: string): string {
  if (typeof value !== "string") throw new BadField(at, "a text");
  return value;
}

/** Settings; `at` is where they stand in what is read. */
export function readSettings(value: unknown, at: string): ChatSettings {
  const from = new Reader(value, at);
  const number = <K extends string>(name: K): Partial<Record<K, number>> => from.optional(name, () => from.number(name));
  return {
    ...from.optional("systemPrompt", () => from.string("systemPrompt")),
    ...number("temperature"), ...number("topP"), ...number("topK"), ...number("minP"), ...number("repetitionPenalty"),
    ...number("frequencyPenalty"), ...number("presencePenalty"), ...number("maxTokens"), ...number("seed"),
    ...from.optional("stop", () => from.list("stop", readString)),
  };
}

function readToolCall(value: unknown, at: string): ToolCall {
  const from = new Reader(value, at);
  if (from.raw("type") !== "function") throw new BadField(from.at("type"), `"function"`);
  const called = new Reader(from.raw("function"), from.at("function"));
  return { id: from.string("id"), type: "function", function: { name: called.string("name"), arguments: called.string("arguments") } };
}

function readStatistics(value: unknown, at: string): Statistics {
  const from = new Reader(value, at);
  return {
    tokens: from.number("tokens"), promptTokens: from.number("promptTokens"), tokensPerSecond: from.number("tokensPerSecond"),
    timeToFirstTokenMs: from.number("timeToFirstTokenMs"), model: from.string("model"),
    settings: readSettings(from.raw("settings"), from.at("settings")), finishReason: from.string("finishReason"),
  };
}

/** Who speaks, when it is one of the four. */
export function roleOf(value: unknown): Role | undefined {
  return value === "system" || value === "user" || value === "assistant" || value === "tool" ? value : undefined;
}

function readTurn(value: unknown, at: string): Turn {
  const from = new Reader(value, at);
  const role = roleOf(from.raw("role"));
  if (role === undefined) throw new BadField(from.at("role"), "a role");
  return {
    id: from.id("id"), parent: from.stringOrNull("parent"), role, content: from.string("content"), created: from.time("created"),
    ...from.optional("reasoning", () => from.string("reasoning")),
    ...from.optional("toolCalls", () => from.list("toolCalls", readToolCall)),
    ...from.optional("toolCallId", () => from.string("toolCallId")),
    ...from.optional("statistics", () => readStatistics(from.raw("statistics"), from.at("statistics"))),
    ...from.optional("stopped", () => from.boolean("stopped")),
  };
}

/** A conversation of today's schema. Throws `BadField`; `at` is where it stands in what is read. */
export function readConversation(value: unknown, at = ""): Conversation {
  const from = new Reader(value, at);
  const turns = from.list("turns", readTurn);
  const parents = new Map<string, string | null>();
  for (const [index, { id, parent }] of turns.entries()) {
    if (parents.has(id)) throw new BadField(from.at(`turns[${index}].id`), "an id of its own");
    if (parent !== null && !parents.has(parent)) throw new BadField(from.at(`turns[${index}].parent`), "a turn before it");
    parents.set(id, parent);
  }
  const choices = from.raw("chosen");
  if (!isRecord(choices)) throw new BadField(from.at("chosen"), "an object");
  const chosen = Object.entries(choices).map(([key, child]): [string, string] => {
    if (typeof child !== "string" || !parents.has(child) || (parents.get(child) ?? ROOT) !== key) throw new BadField(from.at(`chosen[${JSON.stringify(key)}]`), "a child");
    return [key, child];
  });
  return {
    id: from.id("id"), title: from.string("title"), titledByHand: from.boolean("titledByHand"),
    created: from.time("created"), updated: from.time("updated"), model: from.stringOrNull("model"),
    settings: readSettings(from.raw("settings"), from.at("settings")), turns, chosen: Object.fromEntries(chosen),
  };
}

/** Whether a value of the database is a summary; one that is not could not be shown. */
export function isSummary(value: unknown): value is Summary {
  if (!isRecord(value)) return false;
  const [id, title, titledByHand, created] = ["id", "title", "titledByHand", "created"].map((name) => fieldOf(value, name));
  const [updated, model, turns] = ["updated", "model", "turns"].map((name) => fieldOf(value, name));
  return typeof id === "string" && typeof title === "string" && typeof titledByHand === "boolean" && typeof created === "number"
    && typeof updated === "number" && (model === null || typeof model === "string") && typeof turns === "number";
}
