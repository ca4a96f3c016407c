/** What a source offers to load: one model, or several to choose from; and how it is told to the worker. */
import { absolute } from "./client.js";
import { DoranError } from "./errors.js";
import { byPreference, formatOf, ggufSets, isReadable, partUrls } from "./gguf-files.js";
import { hubOffers, isHub } from "./hub.js";
import type { Candidate } from "./inspection.js";
import { entrySource, isEntry } from "./license.js";
import type { WireHeaders, WireLoadOptions, WireSource } from "./protocol.js";
import { storage } from "./storage.js";
import type { LoadOptions, ModelFile, ModelSource } from "./types.js";

/** A model that can be loaded. */
export interface Offer extends Candidate {
  readonly source: WireSource;
  /** The name that it is stored by unless the caller gives one; without it the engine makes one of the address. */
  readonly name?: string;
}

/**
 * What `source` offers, first what suits most machines. Asks the hub where it names the hub; otherwise nothing is fetched.
 *
 * Rejects with `bad_argument` for what is no source, or as `hubOffers` does.
 */
export async function offersOf(source: ModelSource, options: LoadOptions): Promise<readonly Offer[]> {
  if (isEntry(source)) return offersOf(entrySource(source), options);
  const headers: WireHeaders = [...new Headers(options.headers)];
  const proxyFetch = options.fetch !== undefined;
  const one = (path: string, bytes: number | null, wire: WireSource, name?: string): readonly Offer[] => (
    [{ path, bytes, format: formatOf(path), files: wire.kind === "files" ? wire.files.length : 1, source: wire, ...(name === undefined ? {} : { name }) }]
  );
  const byUrl = (url: string, name?: string): readonly Offer[] => {
    const parts = partUrls(url);
    if (parts === undefined) return one(plainUrl(url), null, { kind: "url", url, headers, proxyFetch }, name);
    const files = parts.map((part) => ({ path: fileName(part), url: part }));
    // Others may lie in the same folder: the folder's address is no name for it.
    return one(plainUrl(parts[0] ?? url), null, { kind: "files", files, headers, proxyFetch }, name ?? plainUrl(parts[0] ?? url));
  };
  if (isHub(source)) {
    const found = await fromHub(source, options);
    if (found === undefined) return one(source, null, { kind: "stored", name: options.name ?? source });
    return found.flatMap(({ path, bytes, files }) => {
      const [first] = files;
      if (files.length === 1 && first !== undefined && !first.path.endsWith(".safetensors")) return byUrl(first.url, source).map((offer) => ({ ...offer, path, bytes }));
      return one(path, bytes, { kind: "files", files, headers, proxyFetch }, source);
    });
  }
  if (typeof source === "string") return isUrl(source) ? byUrl(absolute(source)) : one(source, null, { kind: "stored", name: source });
  if (source instanceof URL) return byUrl(source.href);
  if (source instanceof Blob) {
    const name = source instanceof File ? source.name : undefined;
    return one(name ?? "file", source.size, { kind: "file", file: source, name });
  }
  if (typeof source === "object" && source !== null && "stored" in source) return one(source.stored, null, { kind: "stored", name: source.stored });
  if (typeof source === "object" && source !== null && "files" in source) {
    return offersOfFiles(source.files).map(({ path, files, name }) => {
      const wire = { kind: "files", files: files.map(wireFile), headers, proxyFetch } as const;
      return { path, bytes: sum(files.map(({ file }) => file?.size)), format: formatOf(path), files: files.length, source: wire, ...(name === undefined ? {} : { name }) };
    });
  }
  throw new DoranError("bad_argument", "a model is a URL, a File or Blob, the name of a stored model, { stored } or { files }", { argument: "source" });
}

/** The models among files: each GGUF file or set of parts, and what is left if it is a folder with `config.json`. */
function offersOfFiles(files: readonly ModelFile[]): readonly { path: string; files: readonly ModelFile[]; name?: string }[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const sets = ggufSets(files.map(({ path }) => path));
  const readable = sets.filter(({ path }) => isReadable(path));
  const models = byPreference(readable.length > 0 ? readable : sets).map(({ path, parts }) => {
    const own = parts.map((part) => byPath.get(part)).filter((file) => file !== undefined);
    // Files that were picked have no address to be called by.
    return { path, files: own, ...(own.some(({ file }) => file !== undefined) ? { name: path } : {}) };
  });
  const others = files.filter(({ path }) => !/\.gguf$/i.test(path));
  const weights = others.find(({ path }) => path.endsWith(".safetensors"));
  if (models.length === 0 || (weights !== undefined && byPath.has("config.json"))) {
    const path = weights?.path ?? others[0]?.path ?? "folder";
    return [...models, { path, files: others }];
  }
  return models;
}

function wireFile({ path, url, file }: ModelFile): { path: string; url?: string; file?: Blob } {
  return { path, ...(url === undefined ? {} : { url: absolute(url) }), ...(file === undefined ? {} : { file }) };
}

/** The sum, if all are known. */
export function sum(all: readonly (number | undefined)[]): number | null {
  return all.reduce<number | null>((total, bytes) => (total === null || bytes === undefined ? null : total + bytes), 0);
}

function plainUrl(url: string): string {
  return url.split(/[?#]/)[0] ?? url;
}

function fileName(url: string): string {
  return plainUrl(url).split("/").at(-1) ?? url;
}

/** Absolute URLs, and relative ones that cannot be names. */
function isUrl(text: string): boolean {
  return /^(https?|blob|data):/i.test(text) || /^\.{0,2}\//.test(text);
}

/** Where the hub has a model; `undefined` where it cannot be reached and the model is stored. */
async function fromHub(source: string, options: LoadOptions): Promise<Awaited<ReturnType<typeof hubOffers>> | undefined> {
  try {
    return await hubOffers(source, options);
  } catch (thrown) {
    const name = options.name ?? source;
    const unreachable = thrown instanceof DoranError && thrown.code === "network" && thrown.data["status"] === undefined;
    if (unreachable && (await storage.list()).some((model) => model.name === name && model.complete)) return undefined;
    throw thrown;
  }
}

/** What of the options the engine itself reads, for one of the models offered. `stepsDown`: with a context as short as it must be. */
export function wireOptions(
  offer: Offer,
  { name = offer.name, sha256, context, chatTemplate, backend, kvCache, store, runAhead, kernels }: LoadOptions,
  stepsDown: boolean,
): WireLoadOptions {
  return {
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(context === undefined ? {} : { context }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(backend === undefined ? {} : { backend }),
    ...(kvCache === undefined ? {} : { kvCache }),
    ...(store === undefined ? {} : { store }),
    ...(runAhead === undefined ? {} : { runAhead }),
    ...(kernels === undefined ? {} : { kernels }),
    ...(stepsDown ? { fit: "auto" as const } : {}),
  };
}
