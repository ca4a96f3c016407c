/** The results that are shown: the last one of this device, and those of others. Both outlast a reload. */
import { signal } from "@preact/signals";
import { newId } from "../conversations/tree.js";
import { problems, isResult, type Result } from "../../../benches/result.mjs";

/** A result of another device. */
export interface Imported {
  readonly id: string;
  /** The file that it came in. */
  readonly file: string;
  readonly result: Result;
}

/** A file that is no result. */
export interface Refused {
  readonly file: string;
  /** `shape`: it is JSON, and `detail` says what of it is wrong. */
  readonly why: "size" | "json" | "shape" | "many";
  readonly detail?: string;
}

/** What a file turned out to be. */
export type Read = { readonly result: Result } | { readonly refused: Refused };

const KEYS = { own: "bench-result", others: "bench-imported" };
/** More than this no result takes. */
const MOST_BYTES = 2_000_000;
/** More devices no chart shows apart. */
const MOST_OTHERS = 7;

/** The last result of this device. */
export const own = signal<Result | undefined>(undefined);
/** Results of others. */
export const others = signal<readonly Imported[]>([]);
/** Files that were not taken. */
export const refused = signal<readonly Refused[]>([]);

/** All that is shown, this device's first. */
export const shown = (): readonly Result[] => [...(own.value === undefined ? [] : [own.value]), ...others.value.map(({ result }) => result)];

/** Reads a file's text as a result. */
export function readResult(file: string, text: string): Read {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { refused: { file, why: "json" } };
  }
  if (isResult(value)) return { result: value };
  return { refused: { file, why: "shape", detail: problems(value)[0] ?? "" } };
}

/** Takes files; what is no result is named in `refused`. */
export async function importFiles(files: Iterable<File>): Promise<void> {
  const not: Refused[] = [];
  for (const file of files) {
    const read = file.size > MOST_BYTES ? { refused: { file: file.name, why: "size" as const } } : readResult(file.name, await file.text());
    if ("refused" in read) not.push(read.refused);
    else if (others.value.length >= MOST_OTHERS) not.push({ file: file.name, why: "many" });
    else others.value = [...others.value, { id: newId(), file: file.name, result: read.result }];
  }
  refused.value = not;
  keepOthers();
}

/** Takes a result of another device away. */
export function removeOther(id: string | undefined): void {
  others.value = others.value.filter((one) => one.id !== id);
  keepOthers();
}

/** Puts this device's result among the others, since a new one is to come in its place. Nothing where there is none, or no room. */
export function setAside(): Imported | undefined {
  if (own.value === undefined || others.value.length >= MOST_OTHERS) return undefined;
  const aside = { id: newId(), file: fileName(own.value, "json"), result: own.value };
  others.value = [...others.value, aside];
  keepOthers();
  return aside;
}

/** Keeps this device's result. */
export function keepOwn(result: Result): void {
  own.value = result;
  keep(KEYS.own, result);
}

/** Reads what an earlier visit kept. */
export function remember(): void {
  const kept = load(KEYS.own);
  own.value = isResult(kept) ? kept : undefined;
  const list = load(KEYS.others);
  others.value = Array.isArray(list) ? list.flatMap(imported).slice(0, MOST_OTHERS) : [];
}

/** What an export of a result is called. */
export const fileName = ({ date }: Result, ending: string): string => `doran-bench-${date.slice(0, 19).replaceAll(":", "-")}.${ending}`;

function imported(value: unknown): readonly Imported[] {
  if (typeof value !== "object" || value === null || !("id" in value) || !("file" in value) || !("result" in value)) return [];
  const { id, file, result } = value;
  return typeof id === "string" && typeof file === "string" && isResult(result) ? [{ id, file, result }] : [];
}

const keepOthers = (): void => { keep(KEYS.others, others.value); };

function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Then it is for this visit.
  }
}

function load(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return undefined;
  }
}
