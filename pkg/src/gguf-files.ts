/** GGUF files by their names: which belong together, in which format they are, and which suit most machines. */

/** A GGUF model among files: one file, or the parts of one that is split, in order. */
export interface GgufSet {
  /** The file, or the first part that is there. */
  readonly path: string;
  readonly parts: readonly string[];
  /** No part is missing, as far as the names tell. */
  readonly complete: boolean;
}

/** From what most readers' machines hold and answer well with, to what few do. */
const PREFERRED = [
  "Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1", "IQ4_XS", "IQ4_NL", "Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q3_K_M", "Q3_K_S", "Q8_0", "MXFP4", "Q2_K",
  "TQ2_0", "TQ1_0", "F16", "BF16", "F32",
];

/** llama.cpp's names of mixes and formats, as file names carry them. */
const FORMAT = /(?<![a-z0-9])(bf16|f16|f32|mxfp4|tq[12]_0|iq\d_(?:xxs|xs|s|m|nl)|q\d_(?:k(?:_(?:xl|s|m|l))?|[01]))(?![a-z0-9_])/gi;

/** `name-00002-of-00003.gguf`, as `gguf-split` writes it. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

/** The format that a file's name states, such as `Q4_K_M`; `null` where it states none. */
export function formatOf(path: string): string | null {
  return [...path.matchAll(FORMAT)].at(-1)?.[1]?.toUpperCase() ?? null;
}

/** About how many bits a weight has in a format. */
export function bitsOf(format: string): number {
  if (format === "F32") return 32;
  if (format === "F16" || format === "BF16") return 16;
  if (format === "MXFP4") return 4.25;
  const digit = Number(/\d/.exec(format)?.[0] ?? 0);
  // Medium and large mixes have more, and so have formats with a minimum.
  return digit + (/(_M|_L|_XL|_1)$/.test(format) ? 0.8 : 0.5);
}

/** Whether doran reads the format that a name states; it has no IQ1, IQ2 and IQ3. */
export function isReadable(path: string): boolean {
  return !/^IQ[123]_/.test(formatOf(path) ?? "");
}

/** The GGUF models among `paths`; projectors of images are none. */
export function ggufSets(paths: readonly string[]): readonly GgufSet[] {
  const sets: GgufSet[] = [];
  const split = new Map<string, { path: string; no: number; count: number }[]>();
  for (const path of paths) {
    if (!/\.gguf$/i.test(path) || /mmproj/i.test(path)) continue;
    const [, stem, no, count] = PART.exec(path) ?? [];
    if (stem === undefined || count === "00001") {
      sets.push({ path, parts: [path], complete: true });
      continue;
    }
    const key = `${stem}-of-${count}`;
    split.set(key, [...(split.get(key) ?? []), { path, no: Number(no), count: Number(count) }]);
  }
  for (const parts of split.values()) {
    parts.sort((a, b) => a.no - b.no);
    const [first] = parts;
    if (first === undefined) continue;
    const complete = parts.length === first.count && parts.every(({ no }, at) => no === at + 1);
    sets.push({ path: first.path, parts: parts.map(({ path }) => path), complete });
  }
  return sets;
}

/** The addresses of all parts of a split model, by the address of one; `undefined` where it is no part. */
export function partUrls(url: string): readonly string[] | undefined {
  const [, stem, no, digits, end] = /^(.*)-(\d{5})-of-(\d{5})(\.gguf(?:[?#].*)?)$/i.exec(url) ?? [];
  const count = Number(digits);
  if (stem === undefined || count < 2 || Number(no) < 1 || Number(no) > count) return undefined;
  return Array.from({ length: count }, (_, at) => `${stem}-${String(at + 1).padStart(5, "0")}-of-${digits}${end}`);
}

/** Sorts what suits most machines to the front. */
export function byPreference<T extends { readonly path: string }>(all: readonly T[]): T[] {
  const rank = ({ path }: T): number => {
    const at = PREFERRED.indexOf(formatOf(path) ?? "");
    return at < 0 ? PREFERRED.length : at;
  };
  return [...all].sort((a, b) => rank(a) - rank(b) || a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
}
