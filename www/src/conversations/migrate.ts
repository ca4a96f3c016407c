/**
 * The schemas that conversations have had, and the way from each to the next. `SCHEMA` is both the database's version and the
 * number in exported files. A new one: add a step here, and a reader of old files to `fromSchema`.
 */
import type { IDBPDatabase, IDBPTransaction } from "idb";
import { fieldOf, isRecord, readConversation, readSettings, roleOf } from "./guards.js";
import { newId } from "./tree.js";
import { summaryOf, type ChatSettings, type Conversation, type Turn } from "./types.js";

export const CONVERSATIONS = "conversations";
export const SUMMARIES = "summaries";

type Step = (database: IDBPDatabase, transaction: IDBPTransaction<unknown, string[], "versionchange">) => Promise<void>;

/** Step `n` brings a database of version `n` to `n + 1`. */
const STEPS: readonly Step[] = [
  // 1: a conversation has a flat list `messages: { role, content }[]`.
  (database) => {
    database.createObjectStore(CONVERSATIONS, { keyPath: "id" });
    return Promise.resolve();
  },
  // 2: turns are a tree, and summaries stand in a store of their own, so that a list reads no conversation.
  async (database, transaction) => {
    const summaries = database.createObjectStore(SUMMARIES, { keyPath: "id" });
    const conversations = transaction.objectStore(CONVERSATIONS);
    const keys = await conversations.getAllKeys();
    for (const key of keys) {
      const conversation = fromFlat(await conversations.get(key));
      if (conversation.id !== key) await conversations.delete(key);
      await conversations.put(conversation);
      await summaries.put(summaryOf(conversation));
    }
  },
];

/** Today's schema. */
export const SCHEMA = STEPS.length;

/** Brings a database to today's version; throws what a step throws, and the browser then keeps the old one. */
export async function migrate(database: IDBPDatabase, from: number, transaction: IDBPTransaction<unknown, string[], "versionchange">): Promise<void> {
  for (const step of STEPS.slice(from)) await step(database, transaction);
}

/** A conversation as a file of that schema has it. Throws `BadField`. */
export function fromSchema(schema: number, value: unknown, at: string): Conversation {
  return schema === 1 ? fromFlat(value) : readConversation(value, at);
}

function settingsOf(value: unknown): ChatSettings {
  try {
    return readSettings(value ?? {}, "settings");
  } catch {
    return {};
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

/** A conversation of schema 1. It refuses nothing, since what it cannot read would be lost: the text of any value is kept. */
function fromFlat(value: unknown): Conversation {
  const record = isRecord(value) ? value : {};
  const time = (name: string): number => {
    const found = fieldOf(record, name);
    return typeof found === "number" && !Number.isNaN(new Date(found).getTime()) ? found : 0;
  };
  const [id, model, messages] = [fieldOf(record, "id"), fieldOf(record, "model"), fieldOf(record, "messages")];
  const list: readonly unknown[] = Array.isArray(messages) ? messages : [];
  const turns: Turn[] = [];
  for (const message of list) {
    const of = isRecord(message) ? message : { content: message };
    turns.push({ id: newId(), parent: turns.at(-1)?.id ?? null, role: roleOf(fieldOf(of, "role")) ?? "user", content: textOf(fieldOf(of, "content")), created: time("created") });
  }
  return {
    id: typeof id === "string" && id !== "" ? id : newId(),
    title: textOf(fieldOf(record, "title")), titledByHand: fieldOf(record, "titledByHand") === true,
    created: time("created"), updated: time("updated"), model: typeof model === "string" ? model : null,
    settings: settingsOf(fieldOf(record, "settings")), turns, chosen: {},
  };
}
