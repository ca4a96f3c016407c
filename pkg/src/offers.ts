/** What a source offers to load: one model, or several to choose from. Runs in the worker. */
import { DoranError } from "./errors.js";
import { byPreference, formatOf, ggufSets, isReadable, partUrls } from "./gguf-files.js";
import { hubOffers, type HubFetch, type Wanted } from "./hub.js";
import type { Candidate } from "./inspection.js";
import type { PlainSource, WireSource } from "./protocol.js";
import type { Quantize } from "./types.js";

/** A model that can be loaded. */
export interface Offer extends Candidate {
  readonly source: PlainSource;
  /** The name that it is stored by unless the caller gives one; without it the engine makes one of the address. */
  readonly name?: string;
}

/** What is needed to ask the hub. */
export interface Asking {
  /** What a repository is asked for. */
  readonly what: Wanted;
  /** What weights are quantised to. */
  readonly quantize?: Quantize | undefined;
  readonly fetch: HubFetch;
  readonly signal: AbortSignal;
  /** Whether a model of this name is stored completely. */
  readonly isStored: (name: string) => Promise<boolean>;
}

type Files = Extract<PlainSource, { kind: "files" }>["files"];

/**
 * What `source` offers, first what suits most machines; `name` is what the caller calls it. The hub is asked where the source names a
 * repository; otherwise nothing is fetched.
 *
 * Rejects as `hubOffers` does, or with `bad_argument` if there is nothing.
 */
export async function offersOf(source: WireSource, name: string | undefined, asking: Asking): Promise<readonly [Offer, ...Offer[]]> {
  const [first, ...rest] = await found(source, name, asking);
  if (first === undefined) throw new DoranError("bad_argument", "the source holds no model", { argument: "source" });
  return [first, ...rest];
}

async function found(source: WireSource, name: string | undefined, asking: Asking): Promise<readonly Offer[]> {
  switch (source.kind) {
    case "hub": {
      const { address, headers, proxyFetch } = source;
      // Quantised otherwise, it is another model.
      const called = asking.quantize === undefined ? address : `${address}#${asking.quantize}`;
      const offered = await fromHub(source, name ?? called, asking);
      if (offered === undefined) return [one(address, null, { kind: "stored", name: name ?? called })];
      return offered.map(({ path, bytes, files }) => {
        const [first] = files;
        const single = files.length === 1 && first !== undefined && !first.path.endsWith(".safetensors");
        const offer = single ? byUrl({ kind: "url", url: first.url, headers, proxyFetch }) : one(path, bytes, { kind: "files", files, headers, proxyFetch });
        return { ...offer, path, bytes, name: called };
      });
    }
    case "url":
      return [byUrl(source)];
    case "file":
      return [one(source.name ?? "file", source.file.size, source)];
    case "stored":
      return [one(source.name, null, source)];
    case "files":
      return offersOfFiles(source.files).map(({ path, files, ...named }) => (
        { ...one(path, sum(files.map(({ file }) => file?.size)), { ...source, files }), ...named }
      ));
  }
}

function one(path: string, bytes: number | null, source: PlainSource): Offer {
  return { path, bytes, format: formatOf(path), files: source.kind === "files" ? source.files.length : 1, source };
}

/** A file, or all parts of one that is split. */
function byUrl(source: Extract<PlainSource, { kind: "url" }>): Offer {
  const { url, headers, proxyFetch } = source;
  const parts = partUrls(url);
  if (parts === undefined) return one(plainUrl(url), null, source);
  const path = plainUrl(parts[0] ?? url);
  const files = parts.map((part) => ({ path: plainUrl(part).split("/").at(-1) ?? part, url: part }));
  // Others may lie in the same folder: the folder's address is no name for it.
  return { ...one(path, null, { kind: "files", files, headers, proxyFetch }), name: path };
}

/** The models among files: each GGUF file or set of parts, and what is left if it is a folder with `config.json`. */
function offersOfFiles(files: Files): readonly { path: string; files: Files; name?: string }[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const sets = ggufSets(files.map(({ path }) => path));
  const readable = sets.filter(({ path }) => isReadable(path));
  const models = byPreference(readable.length > 0 ? readable : sets).map(({ path, parts }) => {
    const own = parts.map((part) => byPath.get(part)).filter((file) => file !== undefined);
    // Files that were picked have no address to be called by; those of several have one folder.
    return { path, files: own, ...(own.some(({ file }) => file !== undefined) || sets.length > 1 ? { name: path } : {}) };
  });
  const others = files.filter(({ path }) => !/\.gguf$/i.test(path));
  const weights = others.find(({ path }) => path.endsWith(".safetensors"));
  if (models.length > 0 && (weights === undefined || !byPath.has("config.json"))) return models;
  return [...models, { path: weights?.path ?? others[0]?.path ?? "folder", files: others }];
}

/** The sum, if all are known. */
function sum(all: readonly (number | undefined)[]): number | null {
  return all.reduce<number | null>((total, bytes) => (total === null || bytes === undefined ? null : total + bytes), 0);
}

function plainUrl(url: string): string {
  return url.split(/[?#]/)[0] ?? url;
}

/** Where the hub has a model; `undefined` where it cannot be reached and the model is stored. */
async function fromHub(source: Extract<WireSource, { kind: "hub" }>, name: string, asking: Asking): Promise<Awaited<ReturnType<typeof hubOffers>> | undefined> {
  try {
    return await hubOffers(source, asking);
  } catch (thrown) {
    const unreachable = thrown instanceof DoranError && thrown.code === "network" && thrown.data["status"] === undefined;
    if (unreachable && await asking.isStored(name)) return undefined;
    throw thrown;
  }
}
