/**
 * The page's two languages. Each view has its words in a file of `words/`, as two dictionaries of the same keys, whole sentences with
 * `{places}`; which is shown follows one signal, so that every view changes at once.
 */
import { signal } from "@preact/signals";

/** A language of the page. */
export type Language = "en" | "ko";
type Fill = Readonly<Record<string, string | number>>;
/** Korean has one form for any number: what is `…_one` in English has no word there. */
type Korean<K extends string> = Readonly<Record<Exclude<K, `${string}_one`>, string>>;
/** The words that differ by a number, without their endings. */
type Counted<K extends string> = K extends `${infer Word}_other` ? Word : never;

/** The words of a view. */
export interface Words<K extends string> {
  /** The words for `word`, with its places filled in. */
  (word: K, fill?: Fill): string;
  /** The words for so many of something, by the language's plural rules; `{n}` is the number. */
  count: (word: Counted<K>, n: number, fill?: Fill) => string;
  /** Whether there are words of this name. */
  has: (word: string) => word is K;
  readonly en: Readonly<Record<string, string>>;
  readonly ko: Readonly<Record<string, string>>;
}

const KEY = "language";

/** The language that is shown. */
export const language = signal<Language>(preferred());

/** Makes the words of a view of its two dictionaries. */
export function words<const K extends string>(en: Readonly<Record<K, string>>, ko: Korean<K>): Words<K> {
  const dictionaries: Record<Language, Readonly<Record<string, string>>> = { en, ko };
  const say = (word: string, fill: Fill): string => (dictionaries[language.value][word] ?? word)
    .replace(/\{(\w+)\}/g, (whole, name: string) => place(fill[name], whole));
  const t = (word: K, fill: Fill = {}): string => say(word, fill);
  const count = (word: string, n: number, fill: Fill = {}): string => {
    const form = `${word}_${new Intl.PluralRules(language.value).select(n)}`;
    return say(form in dictionaries[language.value] ? form : `${word}_other`, { n, ...fill });
  };
  const has = (word: string): word is K => Object.hasOwn(en, word);
  return Object.assign(t, { count, has, en, ko });
}

function place(value: string | number | undefined, whole: string): string {
  if (value === undefined) return whole;
  return typeof value === "string" ? value : new Intl.NumberFormat(language.value).format(value);
}

/** Changes the language, and remembers it. */
export function speak(wanted: Language): void {
  language.value = wanted;
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // A browser that keeps nothing still shows the language.
  }
}

function preferred(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered() ?? navigator.language;
  return asked.startsWith("ko") ? "ko" : "en";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
