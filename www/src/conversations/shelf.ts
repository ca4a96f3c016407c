/** Where conversations stand: what the store needs of a place. The other place than the database is memory. */
import { StoreError } from "./errors.js";
import { summaryOf, type Conversation, type Summary } from "./types.js";

/** Errors are `StoreError`s. What is written is there in whole or not at all. */
export interface Shelf {
  /** Whether it outlives the page. */
  readonly kept: boolean;
  /** In no order. */
  summaries(): Promise<readonly Summary[]>;
  get(id: string): Promise<Conversation | undefined>;
  put(conversation: Conversation): Promise<void>;
  /** Reads, changes and writes in one transaction; `missing` when it is not there. */
  update(id: string, change: (conversation: Conversation) => Conversation): Promise<Conversation>;
  delete(id: string): Promise<void>;
  clear(): Promise<void>;
  close(): void;
}

export function missing(id: string): StoreError {
  return new StoreError("missing", `there is no conversation ${id}`);
}

/** Conversations until the page is closed. */
export class MemoryShelf implements Shelf {
  readonly kept = false;
  readonly #conversations = new Map<string, Conversation>();

  summaries(): Promise<readonly Summary[]> {
    return Promise.resolve([...this.#conversations.values()].map(summaryOf));
  }

  get(id: string): Promise<Conversation | undefined> {
    return Promise.resolve(this.#conversations.get(id));
  }

  put(conversation: Conversation): Promise<void> {
    this.#conversations.set(conversation.id, conversation);
    return Promise.resolve();
  }

  update(id: string, change: (conversation: Conversation) => Conversation): Promise<Conversation> {
    const before = this.#conversations.get(id);
    if (before === undefined) return Promise.reject(missing(id));
    const after = change(before);
    this.#conversations.set(id, after);
    return Promise.resolve(after);
  }

  delete(id: string): Promise<void> {
    this.#conversations.delete(id);
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.#conversations.clear();
    return Promise.resolve();
  }

  close(): void {
    // Memory goes with the page.
  }
}
