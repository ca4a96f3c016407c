/** Sources and options of a load on their way to the worker. */
import { absolute, Connection, requireWorkers, type CallEvents } from "./client.js";
import { DoranError } from "./errors.js";
import { entrySource, isEntry } from "./license.js";
import type { Args, WireAdapterOptions, WireHeaders, WireLoadOptions, WireSource } from "./protocol.js";
import type { AdapterOptions, LoadOptions, ModelSource } from "./types.js";

/** Absolute URLs, and relative ones that cannot be names. */
function isUrl(text: string): boolean {
  return /^(https?|blob|data):/i.test(text) || /^\.{0,2}\//.test(text);
}

/** What a load or an inspection sends, and the worker of its own that it is sent to. */
export function open(source: ModelSource, options: LoadOptions): { args: Args<"load">; connection: Connection; events: CallEvents } {
  requireWorkers();
  options.signal?.throwIfAborted();
  const args = { source: wireSource(source, options), options: wireOptions(options) };
  return { args, connection: new Connection(options), events: { onProgress: options.onProgress, fetch: options.fetch } };
}

/** A source as it can be posted. */
export function wireSource(source: ModelSource, options: LoadOptions): WireSource {
  const headers: WireHeaders = [...new Headers(options.headers)];
  const proxyFetch = options.fetch !== undefined;
  if (typeof source === "string" && source.startsWith("hf:")) {
    return { kind: "hub", address: source, ...(options.hub === undefined ? {} : { hub: absolute(options.hub) }), headers, proxyFetch };
  }
  if (typeof source === "string") {
    return isUrl(source) ? { kind: "url", url: absolute(source), headers, proxyFetch } : { kind: "stored", name: source };
  }
  if (source instanceof URL) return { kind: "url", url: source.href, headers, proxyFetch };
  if (source instanceof Blob) return { kind: "file", file: source, name: source instanceof File ? source.name : undefined };
  if (isEntry(source)) return wireSource(entrySource(source), options);
  if (typeof source === "object" && source !== null && "stored" in source) return { kind: "stored", name: source.stored };
  if (typeof source === "object" && source !== null && "files" in source) {
    const files = source.files.map(({ path, url, file }) => ({
      path,
      ...(url === undefined ? {} : { url: absolute(url) }),
      ...(file === undefined ? {} : { file }),
    }));
    return { kind: "files", files, headers, proxyFetch };
  }
  throw new DoranError("bad_argument", "a model is a URL, a File or Blob, the name of a stored model, { stored } or { files }", { argument: "source" });
}

/** What of the options of a load the engine itself reads. */
function wireOptions(
  { name, sha256, context, chatTemplate, backend, kvCache, store, runAhead, kernels, variants, precision, fit, evict, update, quantize }: LoadOptions,
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
    ...(variants === undefined ? {} : { variants }),
    ...(precision === undefined ? {} : { precision }),
    ...(evict === undefined ? {} : { evict }),
    ...(update === undefined ? {} : { update }),
    ...(fit === undefined ? {} : { fit }),
    ...(quantize === undefined ? {} : { quantize }),
  };
}

/** What of the options of an adapter the engine itself reads. */
export function adapterOptions({ name, sha256, store }: AdapterOptions): WireAdapterOptions {
  return {
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(store === undefined ? {} : { store }),
  };
}

/** A string that was taken for a name may have been meant as a URL. */
export function hinted(thrown: unknown, source: ModelSource): unknown {
  if (!(thrown instanceof DoranError) || thrown.code !== "not_found" || typeof source !== "string") return thrown;
  return new DoranError("not_found", `${thrown.message} (a relative URL begins with ./ or /: "./${source}")`, thrown.data);
}
