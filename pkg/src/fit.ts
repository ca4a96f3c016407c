/**
 * Which of several models to take for this device.
 *
 * The rule: of the files of less than 16 bits a weight, the largest that fits with room to spare; if none does, the largest that fits
 * at all; if none does and the context may be made shorter, the largest that then fits. Files of 16 bits and more are looked at only
 * where there are no others: they answer hardly better and take twice as long to download.
 */
import { bitsOf } from "./gguf-files.js";
import type { Candidate, Inspection } from "./inspection.js";

/** What the worker says of one model. */
export type Inspected = Omit<Inspection, "candidates" | "take">;

/** Looks at one of the models; `stepsDown`: with a context as short as it must be. */
export type Look<T> = (candidate: T, stepsDown: boolean) => Promise<Inspected>;

/** Those that the rule looks at, from the largest to the smallest; by the bits of their formats where their bytes are not known. */
export function ranked<T extends Candidate>(candidates: readonly T[]): readonly T[] {
  const bits = ({ format, path }: T): number => (format === null ? (path.endsWith(".safetensors") ? 16 : 8) : bitsOf(format));
  const small = candidates.filter((candidate) => bits(candidate) < 16);
  const pool = small.length > 0 ? small : candidates;
  const known = pool.every(({ bytes }) => bytes !== null);
  return [...pool].sort((a, b) => (known ? (b.bytes ?? 0) - (a.bytes ?? 0) : bits(b) - bits(a)));
}

/**
 * The first of `pool`, which goes from large to small, that the rule takes, and what was seen of it; where none fits, the last. Headers
 * are read of a few only: what fits is looked for by halves.
 */
export async function choose<T extends Candidate>(pool: readonly T[], stepsDown: boolean, look: Look<T>): Promise<{ at: number; seen: Inspected }> {
  const seen = new Map<string, Promise<Inspected>>();
  const looked = (at: number, down: boolean): Promise<Inspected> => {
    const candidate = pool[at];
    if (candidate === undefined) throw new RangeError(`there is no candidate ${at}`);
    const key = `${at} ${down}`;
    const found = seen.get(key) ?? look(candidate, down);
    seen.set(key, found);
    return found;
  };
  const firstThat = async (down: boolean, takes: (inspected: Inspected) => boolean): Promise<number> => {
    let [low, high] = [0, pool.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (takes(await looked(middle, down))) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const fits = ({ verdict }: Inspected): boolean => verdict === "fits";
  const runs = ({ verdict }: Inspected): boolean => verdict !== "no";
  const rules: readonly { down: boolean; takes: (inspected: Inspected) => boolean }[] = [
    { down: false, takes: fits }, { down: false, takes: runs }, ...(stepsDown ? [{ down: true, takes: runs }] : []),
  ];
  for (const { down, takes } of rules) {
    const at = await firstThat(down, takes);
    if (at < pool.length) return { at, seen: await looked(at, down) };
  }
  const at = pool.length - 1;
  return { at, seen: await looked(at, stepsDown) };
}
