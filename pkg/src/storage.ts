/** The models in this origin's storage. Each call uses a worker of its own for as long as it takes. */
import { Connection, type AssetOptions, type CallEvents } from "./client.js";
import { DoranError } from "./errors.js";
import type { StorageEstimate, StoredCheck, StoredModel, VerifyOptions } from "./types.js";

async function withWorker<T>(assets: AssetOptions, use: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = new Connection(assets);
  try {
    return await use(connection);
  } finally {
    connection.close(new DoranError("unloaded", "this storage call has ended"));
  }
}

/** A call that tells how far it is, and that the caller's signal ends. */
function abortable<T>({ onProgress, signal, ...assets }: VerifyOptions, call: (connection: Connection, events: CallEvents) => { id: number; result: Promise<T> }): Promise<T> {
  return withWorker(assets, async (c) => {
    signal?.throwIfAborted();
    const { id, result } = call(c, { onProgress });
    const cancel = (): void => c.cancel(id);
    signal?.addEventListener("abort", cancel);
    try {
      return await result;
    } catch (thrown) {
      signal?.throwIfAborted();
      throw thrown;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  });
}

/** See `Engine.storage`. */
export const storage = {
  /** What is stored, complete or not. */
  list(assets: AssetOptions = {}): Promise<readonly StoredModel[]> {
    return withWorker(assets, (c) => c.call("listModels", (id) => ({ type: "call", id, kind: "listModels", args: null })).result);
  },

  /** Deletes a stored model. Rejects with `not_found` when there is none of this name. */
  async delete(name: string, assets: AssetOptions = {}): Promise<void> {
    await withWorker(assets, (c) => c.call("deleteModel", (id) => ({ type: "call", id, kind: "deleteModel", args: { name } })).result);
  },

  /**
   * Reads a stored model and holds each chunk against the hash that was recorded when it came. What is damaged is fetched again by
   * the next load. Rejects with `not_found` when there is none of this name.
   */
  verify(name: string, options: VerifyOptions = {}): Promise<StoredCheck> {
    return abortable(options, (c, events) => c.call("verifyModel", (id) => ({ type: "call", id, kind: "verifyModel", args: { name } }), events));
  },

  /**
   * The files of a stored model as they were downloaded, named as their addresses end. Each chunk is held against its hash on the way, and
   * none stays in memory: the browser keeps the files' content until nobody refers to them.
   *
   * Rejects with `not_found` when there is none of this name, `bad_argument` when it is not whole (`data.stored_bytes`, `data.total_bytes`), `bad_chunk`
   * when a chunk is damaged, which the next load fetches again, and `unsupported` when it was quantised on arrival: its files are
   * doran's own then.
   */
  export(name: string, options: VerifyOptions = {}): Promise<readonly File[]> {
    return abortable(options, (c, events) => c.call("exportModel", (id) => ({ type: "call", id, kind: "exportModel", args: { name } }), events));
  },

  /**
   * Asks the browser to keep what is stored also when it runs out of room. Gives whether it will; a browser may ask the reader, or
   * decide by itself.
   */
  async persist(): Promise<boolean> {
    return await navigator.storage.persisted() || await navigator.storage.persist();
  },

  /** How much is used, and how much the browser says there is. */
  estimate(assets: AssetOptions = {}): Promise<StorageEstimate> {
    return withWorker(assets, (c) => c.call("storageEstimate", (id) => ({ type: "call", id, kind: "storageEstimate", args: null })).result);
  },
} as const;
