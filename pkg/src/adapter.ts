/** LoRA adapters as a page sees them: handles of what the worker holds, by number. */
import type { Connection } from "./client.js";
import { DoranError } from "./errors.js";
import type { WireAdapter, WireAdapterUse } from "./protocol.js";
import type { AdapterUse } from "./types.js";

/** Where an adapter is, and its number there. Kept apart from the class, so that only this package can read or set it. */
const places = new WeakMap<Adapter, { readonly connection: Connection; readonly id: number }>();

/** The class's own constructor, for this file only. */
let make!: (connection: Connection, wire: WireAdapter) => Adapter;

/**
 * A LoRA adapter, loaded beside a model by `engine.loadAdapter` and named by the requests that use it.
 *
 * @example
 * ```ts
 * const pirate = await engine.loadAdapter("https://example.org/pirate.gguf");
 * engine.generate(messages, { adapters: [{ adapter: pirate, scale: 0.8 }] });
 * await pirate.unload();
 * ```
 */
export class Adapter implements AsyncDisposable {
  /** The name that it is stored by. */
  readonly name: string;
  /** What the file calls itself, if it does. */
  readonly title: string | undefined;
  /** The largest rank of its matrices. */
  readonly rank: number;
  /** What it takes of GPU memory, in bytes. */
  readonly bytes: number;
  /** The kinds of linears that it changes, such as `q_proj`. */
  readonly targets: readonly string[];
  /** How many linears it changes. */
  readonly modules: number;
  /** `verified` when a hash was known and matched, else `unverified`. */
  readonly integrity: string;
  /** Bytes that came over the network. */
  readonly bytesDownloaded: number;
  /** Bytes that came from the browser's storage. */
  readonly bytesFromStore: number;
  /** What the reader of the page may want to know. */
  readonly warnings: readonly string[];

  static {
    make = (connection, wire) => new Adapter(connection, wire);
  }

  private constructor(connection: Connection, wire: WireAdapter) {
    places.set(this, { connection, id: wire.id });
    this.name = wire.name;
    this.title = wire.title ?? undefined;
    this.rank = wire.rank;
    this.bytes = wire.bytes;
    this.targets = wire.targets;
    this.modules = wire.modules;
    this.integrity = wire.integrity;
    this.bytesDownloaded = wire.bytesDownloaded;
    this.bytesFromStore = wire.bytesFromStore;
    this.warnings = wire.warnings;
  }

  /**
   * Frees it, once answers that run have ended; requests that name it from now on reject with `unloaded`. A second call does
   * nothing. What is stored stays, as a model's files do.
   */
  async unload(): Promise<void> {
    const place = places.get(this);
    if (place === undefined) return;
    const { connection, id: adapter } = place;
    try {
      await connection.call("unloadAdapter", (id) => ({ type: "call", id, kind: "unloadAdapter", args: { adapter } })).result;
    } catch (thrown) {
      connection.unlessGone(thrown);
    }
  }

  /** `await using adapter = …` unloads at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }
}

/** The handle of what the worker has loaded. */
export function toAdapter(connection: Connection, wire: WireAdapter): Adapter {
  return make(connection, wire);
}

/**
 * A request's adapters as they are sent.
 *
 * @throws `bad_argument` for what is no list of adapters of this engine.
 */
export function wireAdapters(connection: Connection, uses: readonly AdapterUse[]): WireAdapterUse[] {
  const bad = (message: string): DoranError => new DoranError("bad_argument", message, { argument: "adapters" });
  if (!Array.isArray(uses)) throw bad("adapters is a list of { adapter, scale }");
  return uses.map(({ adapter, scale = 1 }: AdapterUse) => {
    const place = places.get(adapter);
    if (place === undefined) throw bad("an adapter is what loadAdapter gave");
    if (place.connection !== connection) throw bad(`the adapter ${adapter.name} was loaded for another engine`);
    if (!Number.isFinite(scale)) throw bad("the scale of an adapter must be a finite number");
    return { id: place.id, scale };
  });
}
