/**
 * The conversations of this browser. Where there is no database they live in memory, and `kept` is false.
 * A view that writes while others may do so too, as when an answer comes, uses `update`: it changes what is there now, and
 * does not bring back what another tab has deleted.
 */
import { Changes, type Listener } from "./changes.js";
import { openShelf } from "./database.js";
import { StoreError } from "./errors.js";
import { needleOf, searchIn, type Found } from "./search.js";
import type { Shelf } from "./shelf.js";
import { withTitle } from "./tree.js";
import type { Conversation, Summary } from "./types.js";

export interface StoreOptions {
  /** The database's name; "doran-demo". */
  readonly name?: string;
  /** A tab with an older version of the page keeps the database, and opening waits until it is closed. */
  readonly onBlocked?: () => void;
}

const NAME = "doran-demo";

/** Opens the conversations. Throws `StoreError`: `newer`, `failed`. */
export async function openConversations({ name = NAME, onBlocked }: StoreOptions = {}): Promise<ConversationStore> {
  const changes = new Changes();
  const shelf = await openShelf(name, { onBlocked, onClosed: () => changes.tell({ kind: "closed" }) });
  if (shelf.kept) changes.join(name);
  return new ConversationStore(shelf, changes);
}

/** Every method rejects with a `StoreError` only. */
export class ConversationStore {
  readonly #shelf: Shelf;
  readonly #changes: Changes;

  /** For tests; others use `openConversations`. */
  constructor(shelf: Shelf, changes: Changes) {
    this.#shelf = shelf;
    this.#changes = changes;
  }

  /** Whether conversations outlive the page. */
  get kept(): boolean {
    return this.#shelf.kept;
  }

  /** All conversations, the one that changed last first. */
  async list(): Promise<readonly Summary[]> {
    return [...await this.#shelf.summaries()].sort((a, b) => b.updated - a.updated || (a.id < b.id ? -1 : 1));
  }

  get(id: string): Promise<Conversation | undefined> {
    return this.#shelf.get(id);
  }

  /** Writes a conversation as it is here, whatever is there. */
  async put(conversation: Conversation): Promise<void> {
    await this.#shelf.put(conversation);
    this.#changes.tell({ kind: "put", id: conversation.id, elsewhere: false });
  }

  /** Changes the conversation that is there now and gives it; `missing` when it was deleted. */
  async update(id: string, change: (conversation: Conversation) => Conversation): Promise<Conversation> {
    const after = await this.#shelf.update(id, change);
    this.#changes.tell({ kind: "put", id, elsewhere: false });
    return after;
  }

  /** Gives a title by hand; `missing` when there is no such conversation. */
  async rename(id: string, title: string): Promise<void> {
    await this.update(id, (conversation) => withTitle(conversation, title, true));
  }

  async delete(id: string): Promise<void> {
    await this.#shelf.delete(id);
    this.#changes.tell({ kind: "deleted", id, elsewhere: false });
  }

  /** Deletes every conversation. */
  async deleteAll(): Promise<void> {
    await this.#shelf.clear();
    this.#changes.tell({ kind: "wiped", elsewhere: false });
  }

  /** Conversations with the query in their title or in a turn, in the order of `list`. One that is damaged is left out. */
  async search(query: string, signal?: AbortSignal): Promise<readonly Found[]> {
    const needle = needleOf(query);
    if (needle === "") return [];
    const found: Found[] = [];
    for (const { id } of await this.list()) {
      signal?.throwIfAborted();
      const conversation = await this.get(id).catch(ignoreDamage);
      const match = conversation === undefined ? undefined : searchIn(conversation, needle);
      if (match !== undefined) found.push(match);
    }
    return found;
  }

  /** Tells of each change, here and in other tabs, until what it gives is called. */
  onChange(listener: Listener): () => void {
    return this.#changes.listen(listener);
  }

  close(): void {
    this.#shelf.close();
    this.#changes.close();
  }
}

function ignoreDamage(error: unknown): undefined {
  if (error instanceof StoreError && error.code === "damaged") return undefined;
  throw error;
}
