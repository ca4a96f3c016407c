/** Errors as the Prompt API has them: `DOMException`s by name. */
import { DoranError, type ErrorCode } from "../errors.js";

/** The names that pages branch on. What is not here is an `OperationError`. */
const NAMES: Readonly<Partial<Record<ErrorCode, string>>> = {
  aborted: "AbortError",
  network: "NetworkError",
  context_overflow: "QuotaExceededError",
  webgpu_missing: "NotSupportedError",
  adapter_missing: "NotSupportedError",
  out_of_memory: "NotSupportedError",
  unsupported: "NotSupportedError",
  tools_unsupported: "NotSupportedError",
  // The specification's word for an answer that cannot have its form.
  schema_unsatisfiable: "SyntaxError",
  unloaded: "InvalidStateError",
  license_not_accepted: "NotAllowedError",
  not_found: "NotFoundError",
};

/** A `DOMException`, with what caused it as `cause`. */
export function domException(name: string, message: string, cause?: unknown): DOMException {
  return caused(new DOMException(message, name), cause);
}

/** The platform's `QuotaExceededError` where it is a class of its own, or else a `DOMException` with the same fields. Both count tokens. */
export function quotaExceeded(message: string, { requested, quota, cause }: { requested: number; quota: number; cause?: unknown }): DOMException {
  const Platform: unknown = Reflect.get(globalThis, "QuotaExceededError");
  if (isQuotaClass(Platform)) return caused(new Platform(message, { requested, quota }), cause);
  const exception = new DOMException(message, "QuotaExceededError");
  Object.defineProperties(exception, { requested: { value: requested, enumerable: true }, quota: { value: quota, enumerable: true } });
  return caused(exception, cause);
}

/** What a page gets for what was thrown. An error that is not doran's own passes as it is: `signal.reason`, what a tool threw. */
export function toPage(thrown: unknown): unknown {
  if (!(thrown instanceof DoranError)) return thrown;
  const name = isOfForm(thrown) ? "NotSupportedError" : NAMES[thrown.code] ?? "OperationError";
  if (name !== "QuotaExceededError") return domException(name, thrown.message, thrown);
  const { needed: requested, context: quota } = thrown.data;
  return quotaExceeded(thrown.message, { requested: count(requested), quota: count(quota), cause: thrown });
}

/** A schema or pattern that is malformed, or asks for what is not supported. */
function isOfForm({ code, data }: DoranError): boolean {
  return code === "bad_argument" && (data["argument"] === "format" || data["argument"] === "response_format");
}

function caused(exception: DOMException, cause: unknown): DOMException {
  if (cause !== undefined) Object.defineProperty(exception, "cause", { value: cause });
  return exception;
}

function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

type QuotaClass = new (message: string, options: { requested: number; quota: number }) => DOMException;

/** Where it is a class, it has the fields; the old name for a code of `DOMException` has not. */
function isQuotaClass(value: unknown): value is QuotaClass {
  return typeof value === "function" && value.prototype instanceof DOMException;
}
