/**
 * `hf:owner/name[@revision][/file]` becomes addresses on the Hugging Face hub. A file is one address. For a repository the hub is
 * asked what it holds, at which commit: GGUF files come before a folder of safetensors, and of several first the one whose
 * quantisation comes first in a list.
 */
import { DoranError, isRecord } from "./errors.js";
import { byPreference, ggufSets, isReadable } from "./gguf-files.js";
import type { WireHeaders } from "./protocol.js";

const HUB = "https://huggingface.co";

/** What a folder needs beside its weights, where it has it. */
const FOLDER = new Set([
  "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json",
  "chat_template.jinja", "model.safetensors.index.json", "1_Pooling/config.json",
]);

/** What a repository is asked for; a folder is a model of safetensors files. */
export type Wanted = "model" | "folder" | "adapter";

/** What PEFT saves of an adapter. */
const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"];

/** Asks for an address. */
export type HubFetch = (url: string, init: { headers: [string, string][]; signal: AbortSignal }) => Promise<Response>;

/** A model on the hub: the path that stands for it, its bytes where the hub says them, and where its files are. */
export interface HubOffer {
  readonly path: string;
  readonly bytes: number | null;
  readonly files: readonly { readonly path: string; readonly url: string }[];
}

/**
 * The models, or the adapters, that an address names, first the one that suits most machines: a file, or all that a repository holds.
 *
 * Rejects with `bad_argument` for what is no such name, `unsupported` if the repository holds no weights that doran reads, or
 * `network` (with `data.status`) if the hub answers with an error.
 */
export async function hubOffers(
  { address, hub = HUB, headers }: { readonly address: string; readonly hub?: string; readonly headers: WireHeaders },
  { fetch, signal, what }: { readonly fetch: HubFetch; readonly signal: AbortSignal; readonly what: Wanted },
): Promise<readonly HubOffer[]> {
  const [, repository, revision = "main", file] = /^hf:([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(address) ?? [];
  if (repository === undefined) {
    throw new DoranError("bad_argument", `${address} is not of the form hf:owner/name[@revision][/file]`, { argument: "source" });
  }
  const base = hub.replace(/\/$/, "");
  const at = (commit: string, path: string): string => `${base}/${repository}/resolve/${encodeURIComponent(commit)}/${path.split("/").map(encodeURIComponent).join("/")}`;
  if (file !== undefined) return [{ path: file, bytes: null, files: [{ path: file, url: at(revision, file) }] }];

  const url = `${base}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const response = await fetch(url, { headers: headers.map(([name, value]) => [name, value]), signal }).catch((thrown: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw new DoranError("network", `the hub could not be asked for the files of ${repository}: ${String(thrown)}`, { url });
  });
  if (!response.ok) throw refused(repository, url, response.status);
  const listing: unknown = await response.json().catch(() => undefined);
  const { sha, siblings } = isRecord(listing) ? listing : {};
  if (!Array.isArray(siblings)) throw new DoranError("network", `the hub did not list the files of ${repository}`, { url });
  const sizes = new Map(siblings.flatMap((one: unknown) => (isRecord(one) && typeof one["rfilename"] === "string" ? [[one["rfilename"], bytesOf(one["size"])] as const] : [])));
  const commit = typeof sha === "string" ? sha : revision;
  const paths = [...sizes.keys()];
  const offer = (path: string, own: readonly string[]): HubOffer => ({
    path,
    bytes: own.reduce<number | null>((total, one) => (total === null ? null : add(total, sizes.get(one))), 0),
    files: own.map((one) => ({ path: one, url: at(commit, one) })),
  });
  const sets = what === "folder" ? [] : ggufSets(paths).filter(({ path, complete }) => complete && isReadable(path));
  const found = byPreference(sets).map(({ path, parts }) => offer(path, parts));
  const files = what === "adapter" ? adapterFiles(paths) : folderFiles(paths);
  const weights = files.find((path) => path.endsWith(".safetensors"));
  if (weights !== undefined) found.push(offer(weights, files));
  if (found.length === 0) {
    const folder = what === "adapter" ? ADAPTER.join(" with ") : "config.json with safetensors";
    const none = what === "folder" ? `no ${folder} that could be quantised` : `neither a GGUF file that doran reads nor ${folder}`;
    throw new DoranError("unsupported", `${repository} holds ${none}`, { what: "repository", files: paths.length });
  }
  return found;
}

function bytesOf(size: unknown): number | undefined {
  return typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

function add(total: number, bytes: number | undefined): number | null {
  return bytes === undefined ? null : total + bytes;
}

function refused(repository: string, url: string, status: number): DoranError {
  const asks = status === 401 || status === 403;
  const message = asks
    ? `the hub gives ${repository} only to those who have accepted its terms there: pass a token in \`headers\``
    : `the hub answered HTTP ${status} for ${repository}`;
  return new DoranError("network", message, { url, status });
}

function adapterFiles(paths: readonly string[]): string[] {
  return ADAPTER.every((path) => paths.includes(path)) ? ADAPTER : [];
}

/** What of a repository a folder is made of; nothing if weights or configuration are missing. */
function folderFiles(paths: readonly string[]): string[] {
  const tensors = paths.filter((path) => /^[^/]+\.safetensors$/.test(path));
  const usual = tensors.filter((path) => /^model(-\d+-of-\d+)?\.safetensors$/.test(path));
  const weights = usual.length > 0 ? usual : tensors;
  if (weights.length === 0 || !paths.includes("config.json")) return [];
  return [...paths.filter((path) => FOLDER.has(path)), ...weights];
}
