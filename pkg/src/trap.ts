/** What it means when the WebAssembly module ends by a trap: nothing of it can be used any more. */
import { toWire, type WireError } from "./errors.js";

/** Bytes that a WebAssembly memory can have. */
const MOST_BYTES = 2 ** 32;
/** Less room than this is none: tables and lists grow by doubling. */
const LITTLE_BYTES = 64 * 2 ** 20;

/** Whether `thrown` is a trap, or says that there was one before. */
export function isTrap(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError || (thrown instanceof Error && thrown.message.includes("Module terminated"));
}

/** The error that the page gets of what ended the worker. */
export function lastError(thrown: unknown, memory: WebAssembly.Memory | undefined): WireError {
  if (!isTrap(thrown)) return toWire(thrown);
  const said = toWire(thrown).message;
  if (memory !== undefined && memory.buffer.byteLength > MOST_BYTES - LITTLE_BYTES) {
    return { code: "out_of_memory", message: `the WebAssembly heap is full, and the worker has ended; load the model again (${said})`, data: { heap_bytes: memory.buffer.byteLength } };
  }
  return { code: "internal", message: `the WebAssembly module failed, and the worker has ended; load the model again (${said})`, data: {} };
}
