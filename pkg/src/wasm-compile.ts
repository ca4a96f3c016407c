/** Fetches and compiles the WebAssembly module, and says in words why it could not. */
import { DoranError } from "./errors.js";

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** Subresource Integrity's form of a hash. A browser takes what it cannot read as no hash at all. */
const INTEGRITY = /^sha(256|384|512)-[A-Za-z0-9+/]{43,86}={0,2}$/;

/** The answer of the server; with `integrity` only one whose body has that hash, or one that is an error. */
async function fetched(url: string, integrity: string | undefined): Promise<Response> {
  if (integrity !== undefined && !INTEGRITY.test(integrity)) {
    throw new DoranError("bad_argument", `wasmIntegrity is no hash of the form "sha384-…": ${integrity}`, { argument: "wasmIntegrity" });
  }
  const credentials = "same-origin";
  try {
    return await fetch(url, integrity === undefined ? { credentials } : { credentials, integrity });
  } catch (thrown) {
    // A browser does not tell a wrong hash from a missing file.
    const unchecked = integrity === undefined ? undefined : await fetch(url, { credentials }).catch(() => undefined);
    if (unchecked?.ok === true) {
      throw new DoranError("bad_hash", `the WebAssembly module does not have the hash that wasmIntegrity states; is it that of this version? ${url}`, { url });
    }
    if (unchecked !== undefined) return unchecked;
    throw new DoranError("network", `the WebAssembly module could not be fetched (${String(thrown)}); is wasmUrl right? ${url}`, { url });
  }
}

/**
 * The compiled module at `url`.
 *
 * # Errors
 * `network` when it is not there or is something else; `bad_hash` when it has not the hash of `integrity`; `unsupported` when the page's
 * policy forbids WebAssembly.
 */
export async function compile(url: string, integrity?: string): Promise<WebAssembly.Module> {
  const response = await fetched(url, integrity);
  if (!response.ok) {
    const { status } = response;
    throw new DoranError("network", `the WebAssembly module is not there (HTTP ${status}); is wasmUrl right? ${url}`, { url, status });
  }
  try {
    // Streaming wants the right MIME type; many plain file servers do not know it.
    if (response.headers.get("content-type") === "application/wasm") return await WebAssembly.compileStreaming(response);
    const bytes = await response.arrayBuffer();
    const head = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
    if (!MAGIC.every((byte, i) => head[i] === byte)) {
      const type = response.headers.get("content-type") ?? "something without a type";
      throw new DoranError("network", `the server gave ${type} in place of the WebAssembly module; is wasmUrl right? ${url}`, { url });
    }
    return await WebAssembly.compile(bytes);
  } catch (thrown) {
    if (thrown instanceof DoranError) throw thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (/unsafe-eval|content security policy/i.test(message)) {
      throw new DoranError(
        "unsupported",
        "the Content-Security-Policy of this page forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src",
        { what: "webassembly" },
      );
    }
    throw new DoranError("network", `the WebAssembly module did not compile (${message}): ${url}`, { url });
  }
}
