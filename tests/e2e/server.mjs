/**
 * A file server that fails as asked. `node tests/e2e/server.mjs DIR [PORT]`, or `await serve(DIR)` in a test.
 *
 * Faults are named in the query of each address:
 *
 * | query | what goes wrong |
 * |---|---|
 * | `cut=SEED` | each connection dies after a number of bytes drawn from the seed, below `cutmax` (default 8 MiB); `cuts=N`: only the first N |
 * | `norange` | ranges are ignored: 200 and everything |
 * | `lie` | 206 whose Content-Range and body begin 4 bytes later than asked; `lie=body`: the headers are right, the body is not |
 * | `short` | half a body, while Content-Range promises all |
 * | `gzip` | 200, compressed |
 * | `compress` | as servers do that compress what is asked for without a range: another length and a weak `ETag`, without a body |
 * | `flip=OFFSET` | one bit of that byte is another; `flips=N`: only in the first N answers that hold it |
 * | `etag-change=N` | from request N + 1 (default 2) on, another `ETag` and other bytes |
 * | `503=N` | the first N requests get 503; `retry-after=S` says when to come back |
 * | `slow=BYTES_PER_S` | that fast, a connection |
 * | `expires=N` | leads to a signed address, always the same until it has given N answers; then it answers 403 |
 * | `nocors` | no CORS headers at all; `hide`: none that expose Content-Range and ETag |
 *
 * `GET /__stats` gives `{ [path with query]: { requests, bytes, ranges, most_open } }`, `POST /__reset` forgets them.
 */
import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { createGzip } from "node:zlib";

/** Signed addresses that are valid, by the address that leads to them; and requests that came too late. */
const signatures = new Map();
let expired = 0;

const PIECE_BYTES = 64 << 10;
const DEFAULT_CUT_MAX_BYTES = 8 << 20;

/**
 * Serves a folder; gives the address, the counts and `close`.
 *
 * @param {string} root
 * @returns {Promise<{ url: string, stats: () => Record<string, { requests: number, bytes: number }>, expired: () => number, reset: () => void, close: () => Promise<unknown> }>}
 */
export async function serve(root, { port = 0, host = "127.0.0.1" } = {}) {
  const stats = new Map();
  const server = createServer((request, response) => {
    answer(root, stats, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(error.code === "ENOENT" ? 404 : 500);
      response.end();
    });
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    url: `http://${host}:${server.address().port}`,
    stats: () => Object.fromEntries([...stats].map(([path, of]) => [path, counts(of)])),
    expired: () => expired,
    reset: () => stats.clear(),
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

function counts({ requests, bytes, ranges, most_open }) {
  return { requests, bytes, ranges, most_open };
}

async function answer(root, stats, request, response) {
  const url = new URL(request.url, "http://localhost");
  const query = url.searchParams;
  if (!query.has("nocors")) {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Allow-Headers", "*");
    response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
    const exposed = query.has("hide") ? "" : "Content-Length, Content-Range, Content-Encoding, ETag, Accept-Ranges, Retry-After";
    response.setHeader("Access-Control-Expose-Headers", exposed);
  }
  response.setHeader("Cache-Control", "no-store");
  if (request.method === "OPTIONS") return response.writeHead(204).end();
  if (url.pathname === "/__stats") {
    response.setHeader("Content-Type", "application/json");
    return response.end(JSON.stringify(Object.fromEntries([...stats].map(([path, of]) => [path, counts(of)]))));
  }
  if (url.pathname === "/__reset") {
    stats.clear();
    return response.writeHead(204).end();
  }
  const path = normalize(join(root, decodeURIComponent(url.pathname)));
  if (!path.startsWith(normalize(root + sep))) return response.writeHead(403).end();

  if (query.has("expires")) {
    // Counted by the address without its signature.
    const signature = query.get("signature");
    query.delete("signature");
    const plain = `${url.pathname}?${query}`;
    const signed = signatures.get(plain) ?? { number: 1, answers: 0 };
    signatures.set(plain, signed);
    if (signature === null) {
      return response.writeHead(302, { Location: `${plain}&signature=${signed.number}` }).end();
    }
    if (Number(signature) !== signed.number || signed.answers >= Number(query.get("expires"))) {
      if (Number(signature) === signed.number) signatures.set(plain, { number: signed.number + 1, answers: 0 });
      expired += 1;
      return response.writeHead(403).end();
    }
    signed.answers += 1;
    request.url = plain;
  }
  const of = stats.get(request.url) ?? { requests: 0, bytes: 0, ranges: [], open: 0, most_open: 0, flips: 0 };
  stats.set(request.url, of);
  of.requests += 1;
  const nth = of.requests;
  if (nth <= Number(query.get("503") ?? 0)) {
    if (query.has("retry-after")) response.setHeader("Retry-After", query.get("retry-after"));
    return response.writeHead(503).end();
  }

  const file = await open(path);
  of.open += 1;
  of.most_open = Math.max(of.most_open, of.open);
  try {
    const changed = query.has("etag-change") && nth > Number(query.get("etag-change") || 2);
    const { size, mtimeMs } = await file.stat();
    response.setHeader("ETag", `"${size}-${mtimeMs}${changed ? "-changed" : ""}"`);
    response.setHeader("Accept-Ranges", query.has("norange") ? "none" : "bytes");
    response.setHeader("Content-Type", "application/octet-stream");

    let from = 0;
    let until = size;
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const ranged = asked && !query.has("norange") && !query.has("gzip");
    if (ranged) {
      from = Number(asked[1]);
      until = Math.min(size, asked[2] === "" ? size : Number(asked[2]) + 1);
      if (from >= until) return response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
      of.ranges.push([from, until]);
      const said = query.get("lie") === "" ? 4 : 0;
      response.setHeader("Content-Range", `bytes ${from + said}-${until + said - 1}/${size}`);
      if (query.has("lie")) {
        from = Math.min(from + 4, size - (until - from));
        until = from + (until - Number(asked[1]));
      }
      if (query.has("short")) until -= Math.ceil((until - from) / 2);
    }
    response.statusCode = ranged ? 206 : 200;
    const compressed = query.has("compress") && /gzip/.test(request.headers["accept-encoding"] ?? "");
    if (compressed) {
      response.setHeader("ETag", `W/${response.getHeader("ETag")}`);
      response.setHeader("Content-Encoding", "gzip");
      response.setHeader("Content-Length", Math.ceil(size / 3));
      return response.end();
    }
    if (query.has("gzip")) response.setHeader("Content-Encoding", "gzip");
    else response.setHeader("Content-Length", until - from);
    if (request.method === "HEAD") return response.end();

    const alter = (piece, at) => {
      const flip = Number(query.get("flip") ?? -1);
      if (flip >= at && flip < at + piece.length && of.flips < Number(query.get("flips") ?? Infinity)) {
        of.flips += 1;
        piece[flip - at] ^= 1;
      }
      if (changed) for (let i = 0; i < piece.length; i++) piece[i] ^= 0xff;
    };
    const out = query.has("gzip") ? createGzip() : response;
    if (out !== response) out.pipe(response);
    await send({ file, from, until, out, response, alter, of, cut: cutAfter(query, nth), slow: Number(query.get("slow") ?? 0) });
  } finally {
    of.open -= 1;
    await file.close();
  }
}

/** After how many bytes the n-th connection dies, if it does. */
function cutAfter(query, nth) {
  if (!query.has("cut") || nth > Number(query.get("cuts") ?? Infinity)) return Infinity;
  // Two rounds of xorshift-multiply (Steele et al. 2014, with 32 bits) scatter neighbouring seeds.
  let state = (Math.imul(Number(query.get("cut")) + 1, 0x9e3779b1) + Math.imul(nth, 0x85ebca6b)) | 0;
  for (const factor of [0x21f0aaad, 0x735a2d97]) state = Math.imul(state ^ (state >>> 16), factor);
  return ((state ^ (state >>> 15)) >>> 0) % Number(query.get("cutmax") ?? DEFAULT_CUT_MAX_BYTES);
}

async function send({ file, from, until, out, response, alter, of, cut, slow }) {
  let left = cut;
  for (let at = from; at < until; ) {
    const length = Math.min(slow ? Math.min(PIECE_BYTES, Math.ceil(slow / 10)) : PIECE_BYTES, until - at, left);
    if (length === 0 || response.destroyed) break;
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    alter(piece, at);
    // Waiting for each write keeps the count honest: what a dead connection never took was not sent.
    await new Promise((done) => {
      response.once("close", done);
      out.write(piece, () => {
        response.off("close", done);
        of.bytes += piece.length;
        done();
      });
    });
    at += bytesRead;
    left -= bytesRead;
    if (slow) await sleep((1000 * bytesRead) / slow);
  }
  if (left === 0) {
    response.flushHeaders();
    response.destroy();
  } else {
    out.end();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [root = ".", port = "8090"] = process.argv.slice(2);
  console.log((await serve(root, { port: Number(port) })).url);
}
