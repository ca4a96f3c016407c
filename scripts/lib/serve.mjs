/** A static file server on this machine only, with single ranges and, where wanted, a Content-Security-Policy. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

/** The policy that the package and the demo must live under. */
export const STRICT_CSP = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** The demo's: it fetches models from wherever the reader says. The same words stand in the pages of www/public. */
export const DEMO_CSP = [
  "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self'", "style-src 'self'", "img-src 'self' data:", "manifest-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*", "base-uri 'none'", "form-action 'none'",
].join("; ");

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8", ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml",
  ".png": "image/png", ".map": "application/json", ".ico": "image/x-icon",
};

/** The file that a URL path names, or `undefined` outside of the mounted folders. Of a folder its page, and whether the path ends as one. */
function locate(mounts, path) {
  for (const [prefix, root] of mounts) {
    if (!path.startsWith(prefix)) continue;
    const inside = normalize(path.slice(prefix.length)).replace(/^[/\\]+/, "");
    if (inside === ".." || inside.startsWith(`..${sep}`)) return undefined;
    const file = join(root, inside);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile()) return { file, size: stat.size };
    if (stat?.isDirectory()) {
      const index = join(file, "index.html");
      const size = statSync(index, { throwIfNoEntry: false })?.size;
      if (size !== undefined) return { file: index, size, open: !path.endsWith("/") };
    }
  }
  return undefined;
}

/** The range that a header asks for: `null` for the whole file, `undefined` when it cannot be given. */
function rangeOf(header, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  if (match === null) return null;
  const start = Number(match[1]);
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start <= end && start < size ? { start, end } : undefined;
}

/**
 * Serves folders. `mounts` maps URL prefixes to folders, the first that has the file wins; `csp` is sent with every answer;
 * `handle(request, response)` may answer first and then returns true. What is under a prefix of `kept` browsers may keep for an hour, with
 * the machine code that they have made of it.
 */
export async function serve({ mounts, csp, port = 0, host = "127.0.0.1", headers = {}, kept = [], handle }) {
  const table = Object.entries(mounts);
  const server = createServer((request, response) => {
    if (handle?.(request, response) === true) return;
    const { pathname, search } = new URL(request.url, "http://localhost");
    const found = locate(table, decodeURIComponent(pathname));
    const policy = csp === undefined ? {} : { "Content-Security-Policy": csp };
    if (found === undefined && pathname === "/favicon.ico") {
      response.writeHead(204, policy).end();
      return;
    }
    if (found === undefined || !["GET", "HEAD"].includes(request.method)) {
      response.writeHead(found === undefined ? 404 : 405, { "Content-Type": "text/plain", ...policy }).end("not here\n");
      return;
    }
    const { file, size, open = false } = found;
    if (open) {
      // What its page names is beside it.
      response.writeHead(308, { Location: `./${pathname.split("/").at(-1)}/${search}`, ...policy }).end();
      return;
    }
    const range = rangeOf(request.headers.range, size);
    const common = {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Accept-Ranges": "bytes",
      "Cache-Control": kept.some((prefix) => pathname.startsWith(prefix)) ? "max-age=3600" : "no-cache",
      "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Content-Range, Accept-Ranges, Content-Length",
      "X-Content-Type-Options": "nosniff", ...policy, ...headers,
    };
    if (range === undefined) {
      response.writeHead(416, { ...common, "Content-Range": `bytes */${size}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    const length = { "Content-Length": Math.max(0, end - start + 1) };
    response.writeHead(range === null ? 200 : 206, { ...common, ...length, ...(range === null ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` }) });
    if (request.method === "HEAD" || size === 0) response.end();
    else createReadStream(file, { start, end }).on("error", () => response.destroy()).pipe(response);
  });
  await new Promise((listening, failed) => server.once("error", failed).listen(port, host, listening));
  const address = `http://${host === "127.0.0.1" ? "localhost" : host}:${server.address().port}`;
  return {
    address,
    close: () => new Promise((closed) => {
      server.close(closed);
      server.closeAllConnections();
    }),
  };
}
