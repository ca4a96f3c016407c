/**
 * The shelf that is kept: IndexedDB. A record and its summary are written in one transaction. Records are read by guards, since
 * another version of this page may have written them.
 */
import { openDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import { StoreError, storeError } from "./errors.js";
import { BadField, isSummary, readConversation } from "./guards.js";
import { CONVERSATIONS, migrate, SCHEMA, SUMMARIES } from "./migrate.js";
import { MemoryShelf, missing, type Shelf } from "./shelf.js";
import { summaryOf, type Conversation, type Summary } from "./types.js";

/** What happens to an open database from outside. */
export interface Watcher {
  /** A tab with an older version keeps the database; opening waits until that tab is closed. */
  readonly onBlocked?: (() => void) | undefined;
  /** The database was closed: another tab needs a newer version, or the browser took it away. */
  readonly onClosed: () => void;
}

/** Errors of `open` that mean there is no database here, as in some private windows and sandboxed frames. */
const NOWHERE = new Set(["SecurityError", "InvalidStateError", "NotSupportedError", "UnknownError", "QuotaExceededError"]);

const BOTH = [CONVERSATIONS, SUMMARIES];

/** The database, or memory where there is none. Throws `newer` and `failed`. */
export async function openShelf(name: string, watcher: Watcher): Promise<Shelf> {
  if (typeof indexedDB === "undefined") return new MemoryShelf();
  let failure: unknown;
  let shelf: DatabaseShelf | undefined;
  const closed = (): void => {
    if (shelf?.close() === true) watcher.onClosed();
  };
  const upgrade = async (database: IDBPDatabase, from: number, transaction: IDBPTransaction<unknown, string[], "versionchange">): Promise<void> => {
    try {
      await migrate(database, from, transaction);
    } catch (error) {
      failure = error;
      transaction.abort();
    }
  };
  try {
    const database = await openDB(name, SCHEMA, {
      upgrade: (upgraded, from, _to, transaction) => {
        // What `done` rejects with is what `openDB` rejects with.
        transaction.done.catch(() => undefined);
        void upgrade(upgraded, from, transaction);
      },
      blocked: () => watcher.onBlocked?.(),
      blocking: closed,
      terminated: closed,
    });
    shelf = new DatabaseShelf(database);
    return shelf;
  } catch (error) {
    const kind = error instanceof Error ? error.name : "";
    if (failure !== undefined) throw storeError(failure);
    if (kind === "VersionError") throw new StoreError("newer", "the conversations here are of a newer version of this page; reload it", { cause: error });
    if (NOWHERE.has(kind)) return new MemoryShelf();
    throw storeError(error);
  }
}

function read(value: unknown, id: string): Conversation {
  try {
    return readConversation(value);
  } catch (error) {
    if (!(error instanceof BadField)) throw error;
    throw new StoreError("damaged", `conversation ${id} cannot be read: ${error.message}`, { cause: error });
  }
}

type Writing = IDBPTransaction<unknown, string[], "readwrite">;

async function putBoth(transaction: Writing, conversation: Conversation): Promise<void> {
  await Promise.all([transaction.objectStore(CONVERSATIONS).put(conversation), transaction.objectStore(SUMMARIES).put(summaryOf(conversation))]);
}

function abort(transaction: Writing): void {
  try {
    transaction.abort();
  } catch {
    // It has failed by itself.
  }
}

class DatabaseShelf implements Shelf {
  readonly kept = true;
  readonly #database: IDBPDatabase;
  #open = true;

  constructor(database: IDBPDatabase) {
    this.#database = database;
  }

  summaries(): Promise<readonly Summary[]> {
    return this.#try(async () => {
      const values: readonly unknown[] = await this.#database.getAll(SUMMARIES);
      return values.filter(isSummary);
    });
  }

  get(id: string): Promise<Conversation | undefined> {
    return this.#try(async () => {
      const value: unknown = await this.#database.get(CONVERSATIONS, id);
      return value === undefined ? undefined : read(value, id);
    });
  }

  put(conversation: Conversation): Promise<void> {
    return this.#write((transaction) => putBoth(transaction, conversation));
  }

  update(id: string, change: (conversation: Conversation) => Conversation): Promise<Conversation> {
    return this.#write(async (transaction) => {
      const value: unknown = await transaction.objectStore(CONVERSATIONS).get(id);
      if (value === undefined) throw missing(id);
      const after = change(read(value, id));
      await putBoth(transaction, after);
      return after;
    });
  }

  delete(id: string): Promise<void> {
    return this.#write(async (transaction) => {
      await Promise.all([transaction.objectStore(CONVERSATIONS).delete(id), transaction.objectStore(SUMMARIES).delete(id)]);
    });
  }

  clear(): Promise<void> {
    return this.#write(async (transaction) => {
      await Promise.all([transaction.objectStore(CONVERSATIONS).clear(), transaction.objectStore(SUMMARIES).clear()]);
    });
  }

  /** True the first time. What runs is finished by the browser; what comes later is `closed`. */
  close(): boolean {
    const was = this.#open;
    this.#open = false;
    this.#database.close();
    return was;
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#open) throw new StoreError("closed", "the database of conversations is closed");
    try {
      return await work();
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Writes into both stores, or into neither. */
  #write<T>(work: (transaction: Writing) => Promise<T>): Promise<T> {
    return this.#try(async () => {
      const transaction = this.#database.transaction(BOTH, "readwrite");
      // It is awaited below, but may fail before.
      transaction.done.catch(() => undefined);
      try {
        const result = await work(transaction);
        await transaction.done;
        return result;
      } catch (error) {
        abort(transaction);
        throw error;
      }
    });
  }
}
