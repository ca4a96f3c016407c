/**
 * The one error class, and how errors cross from the worker to the page.
 * Codes are stable: programs may branch on them. Messages are for people and may change.
 */

/** The stable name of a kind of failure. */
export type ErrorCode =
  | "webgpu_missing" | "adapter_missing" | "device_lost" | "out_of_memory" | "bad_file" | "bad_chunk" | "bad_hash" | "quota"
  | "storage" | "network" | "aborted" | "context_overflow" | "unsupported" | "bad_argument" | "template" | "tokenizer"
  | "lora_mismatch" | "non_finite" | "non_finite_weights" | "not_found" | "unloaded" | "gpu" | "internal" | "license_not_accepted"
  | "unsupported_parameter" | "unsupported_remote" | "tools_unsupported" | "schema_unsatisfiable";

/** What each code means: the message where there is no better one. */
const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  webgpu_missing: "the browser has no WebGPU, or the page is not a secure context",
  adapter_missing: "WebGPU is there but gives no adapter (blocklisted or disabled GPU)",
  device_lost: "the GPU device was lost while in use",
  out_of_memory: "the GPU or the WebAssembly heap has no room",
  bad_file: "the model file is malformed",
  bad_chunk: "a piece of the model does not have the hash it should have",
  bad_hash: "the whole file does not have the hash that was stated",
  quota: "the browser's storage is full",
  storage: "storage failed for another reason than room",
  network: "the network failed, or a server answered with an error",
  aborted: "the call was cancelled",
  context_overflow: "prompt and answer do not fit into the context",
  unsupported: "something well-formed that doran does not do, or that this page does not allow",
  bad_argument: "an argument is out of range or of the wrong type",
  template: "the chat template does not render",
  lora_mismatch: "the adapter does not fit the model",
  tokenizer: "the tokenizer cannot be built or fails on a text",
  non_finite: "activations or logits hold NaN or infinity",
  non_finite_weights: "weights hold NaN or infinity, or would where they are quantised",
  not_found: "no stored model has this name",
  unloaded: "the engine was unloaded, or its worker is gone",
  gpu: "a shader does not compile or a GPU call was refused",
  internal: "a fault of doran itself",
  license_not_accepted: "the model's licence must be accepted first",
  unsupported_parameter: "a field of a request is not supported, or not with this value",
  unsupported_remote: "a server cannot do this; it takes a model on this device",
  tools_unsupported: "the model's chat template writes tools in no way that is known",
  schema_unsatisfiable: "nothing has the form that was asked for",
};

/** Facts that belong to an error: `url`, `status`, `needed_bytes`, `available_bytes`, `context`, `what`, … */
export type ErrorData = Readonly<Record<string, unknown>>;

/** An error as it crosses between worker and page. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data: ErrorData;
}

/**
 * Any failure of doran. `code` tells the kind, `message` says what happened and what can be done, `data` has the facts.
 *
 * A call that was cancelled by an `AbortSignal` does not reject with this class but with `signal.reason`
 * (a `DOMException` named `AbortError` unless the caller chose another), as `fetch` does.
 */
export class DoranError extends Error {
  override readonly name = "DoranError";
  /** The stable kind of failure. */
  readonly code: ErrorCode;
  /** Facts that a program can act on. */
  readonly data: ErrorData;

  /** An error of kind `code`. */
  constructor(code: ErrorCode, message: string, data: ErrorData = {}) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** Whether `value` is one of the stable codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(MEANINGS, value);
}

/** Whether `value` is an object whose fields can be looked at. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Whatever was thrown, as something that can be posted. What is not known becomes `internal`, with its text kept. */
export function toWire(thrown: unknown): WireError {
  if (isRecord(thrown) && isErrorCode(thrown["code"])) {
    const { code, message, data } = thrown;
    return { code, message: typeof message === "string" ? message : MEANINGS[code], data: postable(data) };
  }
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  if (thrown instanceof RangeError && /memory|allocation/i.test(thrown.message)) {
    return { code: "out_of_memory", message: text, data: {} };
  }
  return { code: "internal", message: text, data: {} };
}

/** The error that a wire error stands for. */
export function fromWire(wire: WireError): DoranError {
  return new DoranError(wire.code, wire.message, wire.data);
}

/** Error data as a plain object that survives `postMessage`; what does not is left out. */
function postable(data: unknown): ErrorData {
  if (data instanceof Map) return postable(Object.fromEntries(data));
  if (!isRecord(data)) return {};
  try {
    return structuredClone(data);
  } catch {
    return {};
  }
}
