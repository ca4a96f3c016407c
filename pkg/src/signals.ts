/** Signals that end together, and promises that a signal ends. `AbortSignal.any` is younger than WebGPU. */

/** A signal that aborts with the first of `signals`, for as long as it takes until `release` is called. */
export function either(...signals: readonly (AbortSignal | undefined)[]): { readonly signal: AbortSignal; readonly release: () => void } {
  const both = new AbortController();
  const undo: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    const onAbort = (): void => both.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    undo.push(() => signal.removeEventListener("abort", onAbort));
  }
  return { signal: both.signal, release: () => undo.forEach((remove) => remove()) };
}

/** `promise`, or a rejection with the signal's reason as soon as it aborts. */
export async function until<T>(signal: AbortSignal | null | undefined, promise: T | PromiseLike<T>): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted === true) onAbort();
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
