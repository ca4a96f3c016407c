/** Changes of the store, told to listeners here and, by a `BroadcastChannel`, to those in other tabs. */
import { fieldOf, isRecord } from "./guards.js";

/** `elsewhere`: another tab did it. After `closed` the store is of no use, and the page is to be reloaded. */
export type Change =
  | { readonly kind: "put" | "deleted"; readonly id: string; readonly elsewhere: boolean }
  | { readonly kind: "wiped"; readonly elsewhere: boolean }
  | { readonly kind: "closed" };

export type Listener = (change: Change) => void;

/** A message of another tab as a change, unless it is of a version that says it otherwise. */
function changeOf(message: unknown): Change | undefined {
  if (!isRecord(message)) return undefined;
  const [kind, id] = [fieldOf(message, "kind"), fieldOf(message, "id")];
  if (kind === "wiped") return { kind, elsewhere: true };
  return (kind === "put" || kind === "deleted") && typeof id === "string" ? { kind, id, elsewhere: true } : undefined;
}

export class Changes {
  readonly #listeners = new Set<Listener>();
  #channel: BroadcastChannel | undefined;

  /** `name` is the channel's; without one, other tabs are not told, since they see nothing of it. */
  join(name: string): void {
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      const change = changeOf(data);
      if (change !== undefined) this.#say(change);
    });
  }

  /** Listens until what it gives is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tells all of what was done here. */
  tell(change: Change): void {
    if (change.kind !== "closed") this.#channel?.postMessage(change);
    this.#say(change);
  }

  /** Tells nobody any more. */
  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
    this.#listeners.clear();
  }

  #say(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
