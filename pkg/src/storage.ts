/** The models in this origin's storage. Each call uses a worker of its own for as long as it takes. */
import { Connection, type AssetOptions } from "./client.js";
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
    const { onProgress, signal } = options;
    return withWorker(options, async (c) => {
      signal?.throwIfAborted();
      const { id, result } = c.call("verifyModel", (id) => ({ type: "call", id, kind: "verifyModel", args: { name } }), { onProgress });
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
