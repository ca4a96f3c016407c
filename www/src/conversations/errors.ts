/** What can go wrong with kept conversations, as one error with a code that views have words for. */

/**
 * - `newer`: the database is of a newer version of this page; it is left as it is. Reload the page.
 * - `closed`: another tab has a newer version, or the browser took the database away. Reload the page.
 * - `full`: there is no room on this device.
 * - `damaged`: this conversation is not what was written.
 * - `missing`: there is no such conversation, perhaps because another tab has deleted it.
 * - `failed`: anything else; `cause` tells. A migration that fails leaves the old database as it was.
 */
export type StoreErrorCode = "newer" | "closed" | "full" | "damaged" | "missing" | "failed";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An error of the database as a `StoreError`. */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof Error ? error.name : "";
  const message = error instanceof Error ? error.message : String(error);
  if (name === "QuotaExceededError") return new StoreError("full", "there is no room for the conversation on this device", { cause: error });
  if (name === "InvalidStateError") return new StoreError("closed", "the database of conversations is closed", { cause: error });
  return new StoreError("failed", `the database of conversations: ${message}`, { cause: error });
}
