/**
 * A server that behaves like the Hugging Face hub: lists repositories, answers preflights, asks some for a token, and sends files from
 * another origin by addresses that are signed, and valid there only. Its repositories hold the tiny checkpoints.
 */
import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { join } from "node:path";

export interface Hub {
  /** Where the hub is, and where its files come from. */
  readonly url: string;
  readonly cdn: string;
  /** The requests so far: method, path without query, and whether a token came along. */
  readonly requests: () => readonly string[];
  readonly reset: () => void;
  readonly close: () => Promise<void>;
}

const COMMIT = "89abcdef0123456789abcdef0123456789abcdef";
const SIGNATURE = "X-Amz-Signature=5a5a";

/** Paths in the repository, and where under `tests/fixtures` they are. */
const REPOSITORIES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "tiny/llama": {
    "README.md": "README.md", "llama-F32.gguf": "arch/llama/model-f32.gguf", "llama-Q8_0-00001-of-00003.gguf": "split/llama-00001-of-00003.gguf",
    "llama-Q8_0-00002-of-00003.gguf": "split/llama-00002-of-00003.gguf", "llama-Q8_0-00003-of-00003.gguf": "split/llama-00003-of-00003.gguf",
  },
  "tiny/gated": { "model.gguf": "arch/llama/model-f32.gguf" },
  "tiny/folder": {
    "config.json": "arch/llama/config.json", "tokenizer.json": "arch/llama/tokenizer.json", "model.safetensors": "arch/llama/model.safetensors",
  },
  // Uploaded without Git LFS: the pointer is the file.
  "tiny/pointer": { "model.gguf": "pointer" },
};

const pointerTo = (path: string): string => `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize ${path.length}\n`;

/** What the hub lets any page ask and read (its API and files have the same rules). */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "X-Repo-Commit, X-Error-Code, X-Linked-Size, X-Linked-Etag, ETag, Link, Accept-Ranges, Content-Range",
};

/** Serves the fixtures under `root`. */
export async function serveHub(root: string): Promise<Hub> {
  const requests: string[] = [];
  const note = (request: IncomingMessage): URL => {
    const url = new URL(request.url ?? "/", "http://localhost");
    requests.push(`${request.method} ${url.pathname}${request.headers.authorization === undefined ? "" : " with a token"}`);
    return url;
  };
  const cdn = await listen((request, response) => {
    const { pathname, search } = note(request);
    if (search !== `?${SIGNATURE}`) {
      end(response, 403);
      return;
    }
    const file = join(root, decodeURIComponent(pathname.slice(1)));
    const size = statSync(file).size;
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const [start, last] = [Number(from), Math.min(to === "" ? size - 1 : Number(to), size - 1)];
    const headers = { ...CORS, "Accept-Ranges": "bytes", ETag: `"${size}"`, "Content-Length": last - start + 1, "Cache-Control": "no-store" };
    if (request.headers.range === undefined) response.writeHead(200, headers);
    else response.writeHead(206, { ...headers, "Content-Range": `bytes ${start}-${last}/${size}` });
    if (request.method === "HEAD") response.end();
    else createReadStream(file, { start, end: last }).pipe(response);
  });
  const hub = await listen((request, response) => {
    const { pathname } = note(request);
    const [, api, listed, revision] = /^\/(api\/models)\/([^/]+\/[^/]+)\/revision\/([^/]+)$/.exec(pathname) ?? [];
    const [, owned, kind, commit, path = ""] = /^\/([^/]+\/[^/]+)\/(resolve|raw)\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
    const repository = listed ?? owned ?? "";
    const files = REPOSITORIES[repository];
    if (files === undefined || !["main", COMMIT].includes(revision ?? commit ?? "")) {
      end(response, 404);
      return;
    }
    if (repository === "tiny/gated" && request.headers.authorization !== "Bearer hf_right") {
      end(response, 401);
      return;
    }
    if (api !== undefined) {
      const siblings = Object.entries(files).map(([rfilename, file]) => ({ rfilename, size: file === "pointer" ? pointerTo(rfilename).length : statSync(join(root, file)).size }));
      response.writeHead(200, { ...CORS, "Content-Type": "application/json" }).end(JSON.stringify({ sha: COMMIT, siblings }));
      return;
    }
    const file = files[decodeURIComponent(path)];
    if (file === undefined) {
      end(response, 404);
      return;
    }
    // What is no LFS file comes from the hub itself, and so does a pointer by its raw address.
    if (file === "pointer" || (kind === "raw" && /\.(gguf|safetensors)$/.test(file))) {
      sendText(response, pointerTo(path));
      return;
    }
    if (/\.(json|md)$/.test(file)) {
      sendText(response, readFileSync(join(root, file), "utf8"));
      return;
    }
    response.writeHead(302, { ...CORS, Location: `${cdn.url}/${file}?${SIGNATURE}` }).end();
  });
  return {
    url: hub.url, cdn: cdn.url, requests: () => requests, reset: () => { requests.length = 0; },
    close: async () => { await Promise.all([hub.close(), cdn.close()]); },
  };
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { ...CORS, "Content-Type": "text/plain; charset=utf-8", "Content-Length": Buffer.byteLength(text) }).end(text);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, CORS).end();
}

/** A server that answers preflights by itself: without them no page of another origin may send a token. */
async function listen(answer: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.method !== "OPTIONS") {
      answer(request, response);
      return;
    }
    const asked = (request.headers["access-control-request-headers"] ?? "").split(/,\s*/).filter((name) => name !== "");
    const known = asked.every((name) => ["authorization", "range"].includes(name.toLowerCase()));
    response.writeHead(known ? 204 : 403, {
      "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": asked.join(", "),
    }).end();
  });
  await new Promise<void>((listening) => { server.listen(0, "127.0.0.1", listening); });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((closed) => {
      server.close(() => { closed(); });
      server.closeAllConnections();
    }),
  };
}
