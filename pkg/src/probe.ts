/**
 * `doran/probe`: what the graphics processor can do at most, in plain WebGPU: the ceilings that an engine's figures are held against.
 * It needs no engine, no worker and no model, and takes a few seconds on a GPU, longer where a CPU computes.
 *
 * @packageDocumentation
 */
import { DoranError } from "./errors.js";
import { measures, type Measure, type Measured } from "./probe/measures.js";
import { openProbe, type Probe } from "./probe/device.js";
import type { AdapterInfo } from "./types.js";

export type { AdapterInfo };

/** How to measure. */
export interface ProbeOptions {
  /** Ends it between two measurements; the promise rejects with the signal's reason, and the device is gone. */
  readonly signal?: AbortSignal | undefined;
  /** Told after each measurement. */
  readonly onProgress?: ((progress: ProbeProgress) => void) | undefined;
}

/** How far it is. */
export interface ProbeProgress {
  /** Measurements made. */
  readonly done: number;
  /** Measurements there are. */
  readonly total: number;
  /** What was measured: `read`, `copy`, `fma`, `dot4`, `dispatch` or `roundTrip`. */
  readonly what: string;
}

/** Ceilings of one adapter. Each is the best of seven runs, which are interleaved, so that a busy moment costs none of them all its runs. */
export interface Ceilings {
  /** Loads of 16 bytes from a storage buffer of 64 MiB, a second. */
  readonly vec4LoadsPerSecond: number;
  /** Bytes that these loads read, a second. */
  readonly bytesReadPerSecond: number;
  /** Bytes of one buffer that are copied to another, a second; each is read once and written once. */
  readonly bytesCopiedPerSecond: number;
  /** Multiply-adds of single floats, a second; each is two operations. */
  readonly fmaPerSecond: number;
  /** Products of bytes that `dot4I8Packed` adds up, a second; four a call. Missing where the browser does not have it. */
  readonly dot4ProductsPerSecond?: number;
  /** Microseconds that a dispatch of nothing takes among a thousand in one pass. */
  readonly microsPerDispatch: number;
  /** Microseconds until 16 bytes are back from the GPU: encoded, submitted, waited for and mapped. */
  readonly microsPerRoundTrip: number;
  /** Whose ceilings these are. */
  readonly adapter: AdapterInfo;
}

/** Runs of each measurement. */
const ROUNDS = 7;

/**
 * Measures what the adapter of this page can do at most. The device that it makes is destroyed at the end, also where it fails or is
 * ended.
 *
 * Rejects with `webgpu_missing` or `adapter_missing` where there is nothing to measure, `out_of_memory` where 128 MiB find no room on
 * the GPU, `device_lost` or `gpu` where the GPU fails meanwhile.
 */
export async function measureCeilings(options: ProbeOptions = {}): Promise<Ceilings> {
  const { signal } = options;
  signal?.throwIfAborted();
  const probe = await openProbe();
  try {
    const all = await measures(probe, () => signal?.throwIfAborted());
    const best = await run(all, options);
    return { ...figures(all, best), adapter: probe.adapter };
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : await meaning(probe, error);
  } finally {
    probe.device.destroy();
  }
}

/** The shortest time of each measurement, in seconds. */
async function run(all: readonly Measure[], { signal, onProgress }: ProbeOptions): Promise<ReadonlyMap<Measure, number>> {
  const best = new Map<Measure, number>();
  const total = ROUNDS * all.length;
  for (let done = 0; done < total; done += 1) {
    const measure = all[done % all.length];
    if (measure === undefined) break;
    const seconds = await measure.run();
    best.set(measure, Math.min(best.get(measure) ?? Infinity, seconds));
    signal?.throwIfAborted();
    onProgress?.({ done: done + 1, total, what: measure.what });
  }
  return best;
}

/** The best of what measures one thing: units a second, or, for the two fixed costs, seconds a unit. */
function figures(all: readonly Measure[], best: ReadonlyMap<Measure, number>): Omit<Ceilings, "adapter"> {
  const rate = (what: Measured): number => Math.max(...all.filter((one) => one.what === what).map((one) => one.units / (best.get(one) ?? Infinity)));
  const bytesRead = rate("read");
  return {
    vec4LoadsPerSecond: bytesRead / 16,
    bytesReadPerSecond: bytesRead,
    bytesCopiedPerSecond: rate("copy"),
    fmaPerSecond: rate("fma"),
    ...(all.some(({ what }) => what === "dot4") ? { dot4ProductsPerSecond: rate("dot4") } : {}),
    microsPerDispatch: 1e6 / rate("dispatch"),
    microsPerRoundTrip: 1e6 / rate("roundTrip"),
  };
}

/** What failed, as an error with a code. */
async function meaning({ device }: Probe, error: unknown): Promise<unknown> {
  if (error instanceof DoranError) return error;
  const lost = await Promise.race([device.lost, Promise.resolve()]);
  const words = error instanceof Error ? error.message : String(error);
  if (lost !== undefined) return new DoranError("device_lost", `the GPU was lost while it was measured: ${lost.message}`, { reason: lost.reason });
  // What a callback of the caller throws stays as it is.
  return error instanceof DOMException ? new DoranError("gpu", `the GPU refused a measurement: ${words}`) : error;
}
