/**
 * `hf:owner/name[@revision][/file]` becomes addresses on the Hugging Face hub. A file is one address. For a repository the hub is
 * asked what it holds, at which commit: a GGUF file is taken before a folder of safetensors, and of several the one whose
 * quantisation comes first in a list.
 */
import { DoranError, isRecord } from "./errors.js";
import type { LoadOptions, ModelSource } from "./types.js";

const HUB = "https://huggingface.co";

/** From what most readers' machines hold and answer well with, to what few do. */
const PREFERRED = [
  "Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1", "IQ4_XS", "IQ4_NL", "Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q3_K_M", "Q3_K_S", "Q8_0", "MXFP4", "Q2_K",
  "TQ2_0", "TQ1_0", "F16", "BF16", "F32",
];

/** What a folder needs beside its weights, where it has it. */
const FOLDER = new Set([
  "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt",
  "chat_template.jinja", "model.safetensors.index.json", "1_Pooling/config.json",
]);

/** Whether a source names something on the hub. */
export function isHub(source: ModelSource): source is string {
  return typeof source === "string" && source.startsWith("hf:");
}

/**
 * Where the model is, and under which name it is stored unless the caller names one.
 *
 * Rejects with `bad_argument` for what is no such name, `unsupported` if the repository holds no weights that doran reads, or
 * `network` (with `data.status`) if the hub answers with an error.
 */
export async function hubSource(source: string, { headers, fetch = globalThis.fetch, hub = HUB, signal, quantize }: LoadOptions): Promise<ModelSource> {
  const [, repository, revision = "main", file] = /^hf:([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(source) ?? [];
  if (repository === undefined) {
    throw new DoranError("bad_argument", `${source} is not of the form hf:owner/name[@revision][/file]`, { argument: "source" });
  }
  const base = new URL(hub, globalThis.location?.href).href.replace(/\/$/, "");
  const at = (commit: string, path: string): string => `${base}/${repository}/resolve/${encodeURIComponent(commit)}/${path.split("/").map(encodeURIComponent).join("/")}`;
  if (file !== undefined) return new URL(at(revision, file));

  const url = `${base}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const response = await fetch(url, { headers: new Headers(headers), ...(signal === undefined ? {} : { signal }) }).catch((thrown: unknown) => {
    if (signal?.aborted === true) throw signal.reason;
    throw new DoranError("network", `the hub could not be asked for the files of ${repository}: ${String(thrown)}`, { url });
  });
  if (!response.ok) throw refused(repository, url, response.status);
  const listing: unknown = await response.json().catch(() => undefined);
  const { sha, siblings } = isRecord(listing) ? listing : {};
  if (!Array.isArray(siblings)) throw new DoranError("network", `the hub did not list the files of ${repository}`, { url });
  const paths = siblings.map((one: unknown) => (isRecord(one) ? one["rfilename"] : undefined)).filter((path) => typeof path === "string");
  const commit = typeof sha === "string" ? sha : revision;
  // What is to be quantised is a folder's weights.
  const gguf = quantize === undefined ? chosenGguf(paths) : undefined;
  if (gguf !== undefined) return new URL(at(commit, gguf));
  const files = folderFiles(paths);
  if (files.length === 0) {
    const wanted = quantize === undefined ? "neither a GGUF file nor config.json with safetensors" : "no config.json with safetensors that could be quantised";
    throw new DoranError("unsupported", `${repository} holds ${wanted}`, { what: "repository", files: paths.length });
  }
  return { files: files.map((path) => ({ path, url: at(commit, path) })) };
}

function refused(repository: string, url: string, status: number): DoranError {
  const asks = status === 401 || status === 403;
  const message = asks
    ? `the hub gives ${repository} only to those who have accepted its terms there: pass a token in \`headers\``
    : `the hub answered HTTP ${status} for ${repository}`;
  return new DoranError("network", message, { url, status });
}

/** The GGUF file of a repository that is taken, if it has one: whole, and no projector of images. */
function chosenGguf(paths: readonly string[]): string | undefined {
  const whole = paths.filter((path) => /\.gguf$/i.test(path) && !/-\d{5}-of-\d{5}\.gguf$|mmproj/i.test(path));
  const rank = (path: string): number => {
    const at = PREFERRED.findIndex((type) => new RegExp(`(^|[^a-z0-9])${type}([^a-z0-9_]|$)`, "i").test(path));
    return at < 0 ? PREFERRED.length : at;
  };
  return whole.sort((a, b) => rank(a) - rank(b) || a.length - b.length || (a < b ? -1 : 1))[0];
}

/** What of a repository a folder is made of; nothing if weights or configuration are missing. */
function folderFiles(paths: readonly string[]): string[] {
  const tensors = paths.filter((path) => /^[^/]+\.safetensors$/.test(path));
  const usual = tensors.filter((path) => /^model(-\d+-of-\d+)?\.safetensors$/.test(path));
  const weights = usual.length > 0 ? usual : tensors;
  if (weights.length === 0 || !paths.includes("config.json")) return [];
  return [...paths.filter((path) => FOLDER.has(path)), ...weights];
}
