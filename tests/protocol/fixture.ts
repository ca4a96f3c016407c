/** A page with the fake package, and a server that the tests can ask for faults. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { test as base, type Page } from "@playwright/test";
import { buildFakePackage } from "../../scripts/lib/package.mjs";
import { serve } from "../../scripts/lib/serve.mjs";
import type * as AiSdk from "../../pkg/src/ai-sdk/index.js";
import type * as Doran from "../../pkg/src/index.js";
import type * as OpenAi from "../../pkg/src/openai/index.js";

declare global {
  interface Window {
    doran: typeof Doran;
    /** What a promise rejects with, as something that can be looked at. */
    failure: (promise: Promise<unknown>) => Promise<{ code: string; name: string; message: string; data: Record<string, unknown> }>;
    collect: (generation: AsyncIterable<{ text: string }>) => Promise<string>;
    /** Entry points that few tests need. */
    entries: { openai: () => Promise<typeof OpenAi>; aiSdk: () => Promise<typeof AiSdk> };
  }
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>loading</title><script type="module" src="/page.js"></script>`;
const SCRIPT = `
import * as doran from "/pkg/dist/index.js";
window.doran = doran;
window.entries = { openai: () => import("/pkg/dist/openai.js"), aiSdk: () => import("/pkg/dist/ai-sdk.js") };
window.failure = (promise) => promise.then(
  () => ({ code: "none", name: "none", message: "it did not reject", data: {} }),
  (error) => ({ code: error.code, name: error.name, message: error.message, data: { ...error.data } }),
);
window.collect = async (generation) => {
  let text = "";
  for await (const item of generation) text += item.text;
  return text;
};
document.title = "ready";
`;

/** The files of each repository of the hub's stand-in, at one commit. */
const REPOSITORIES: Readonly<Record<string, readonly string[]>> = {
  "me/quantised": ["README.md", "tiny-F16.gguf", "tiny-Q8_0.gguf", "tiny.Q4_K_M.gguf", "mmproj-Q4_0.gguf", "tiny-Q4_0-00001-of-00002.gguf"],
  "me/folder": ["config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
    "training_args.bin", "onnx/model.safetensors"],
  "me/adapter": ["README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"],
  "me/pickled": ["config.json", "pytorch_model.bin"],
  "me/sizes": ["big-Q8_0.gguf", "big-Q6_K.gguf", "big-Q4_K_M-00001-of-00003.gguf", "big-Q4_K_M-00002-of-00003.gguf", "big-Q4_K_M-00003-of-00003.gguf",
    "big-IQ2_XS.gguf", "big-F16.gguf", "big-Q2_K.gguf", "big-Q5_0-00001-of-00002.gguf", "config.json", "model.safetensors"],
};
/** Bytes of the files of `me/sizes`, in the same order; of the others the hub's stand-in does not tell. */
const SIZES: readonly number[] = [8000, 6000, 1500, 1500, 1500, 2200, 16_000, 2500, 2700, 10, 16_000];
const COMMIT = "0123456789abcdef";

/** What the hub does: lists a repository, asks some for a token, and redirects files to addresses that are signed. */
function hub(request: IncomingMessage, response: ServerResponse, path: string, send: (type: string, text: string | Buffer) => true): true {
  const refuse = (status: number): true => {
    response.writeHead(status).end();
    return true;
  };
  const [, listed, revision] = /^api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path) ?? [];
  if (listed === "me/gated" && request.headers.authorization === undefined) return refuse(401);
  const files = listed === undefined ? undefined : REPOSITORIES[listed === "me/gated" ? "me/quantised" : listed];
  if (listed !== undefined) {
    if (files === undefined || !["main", "v1"].includes(revision ?? "")) return refuse(404);
    return send("application/json", JSON.stringify({
      sha: COMMIT,
      siblings: files.map((rfilename, at) => ({ rfilename, ...(listed === "me/sizes" ? { size: SIZES[at] } : {}) })),
    }));
  }
  const [, file] = /^[^/]+\/[^/]+\/resolve\/(?:main|v1|0123456789abcdef)\/(.+)$/.exec(path) ?? [];
  if (file === undefined) return refuse(404);
  response.writeHead(302, { Location: `/signed/${file}?signature=abc` }).end();
  return true;
}

export interface Site {
  readonly address: string;
}

export const test = base.extend<{ doran: Page }, { site: Site }>({
  site: [async ({}, use) => {
    const pkg = await buildFakePackage();
    const body = Buffer.alloc(10_000, "m");
    const server = await serve({
      mounts: { "/pkg/": pkg },
      csp: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
      handle: (request: IncomingMessage, response: ServerResponse) => {
        const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
        const csp = { "Content-Security-Policy": searchParams.get("csp") ?? "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" };
        const send = (type: string, text: string | Buffer): true => {
          response.writeHead(200, { "Content-Type": type, ...csp }).end(text);
          return true;
        };
        if (pathname === "/") return send("text/html", PAGE);
        if (pathname === "/page.js") return send("text/javascript", SCRIPT);
        if (pathname === "/not-wasm.html") return send("text/html", "<!doctype html>an app's fallback page");
        if (pathname === "/throws.js") return send("text/javascript", "throw new Error('a broken worker')");
        if (pathname === "/old.js") return send("text/javascript", "postMessage({ type: 'hello', version: 0, lock: '' })");
        if (pathname === "/untyped.wasm") {
          response.writeHead(302, { Location: "/pkg/dist/doran_bg.wasm", ...csp }).end();
          return true;
        }
        if (pathname.startsWith("/hub/")) return hub(request, response, pathname.slice("/hub/".length), send);
        if (pathname.endsWith(".gguf")) {
          if (request.headers["x-token"] === undefined && pathname.startsWith("/private")) {
            response.writeHead(401, csp).end();
            return true;
          }
          return send("application/octet-stream", body);
        }
        return false;
      },
    });
    await use({ address: server.address });
    await server.close();
  }, { scope: "worker", timeout: 120_000 }],

  doran: async ({ page, site }, use) => {
    await page.goto(`${site.address}/`);
    await page.waitForFunction(() => document.title === "ready");
    await use(page);
  },
});

export { expect } from "@playwright/test";
