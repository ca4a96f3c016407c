/** The programming languages that are highlighted, each loaded when a block of it is there. */
import type { LanguageFn } from "highlight.js";

interface Language {
  readonly names: readonly string[];
  readonly load: () => Promise<{ readonly default: LanguageFn }>;
  /** Languages that stand inside of it. */
  readonly inside?: readonly string[];
}

/** By highlight.js's name. */
const LANGUAGES: Readonly<Record<string, Language>> = {
  javascript: { names: ["js", "jsx", "mjs", "cjs", "node"], load: () => import("highlight.js/lib/languages/javascript") },
  typescript: { names: ["ts", "tsx", "mts", "cts"], load: () => import("highlight.js/lib/languages/typescript") },
  json: { names: ["jsonc", "json5"], load: () => import("highlight.js/lib/languages/json") },
  xml: { names: ["html", "xhtml", "svg"], load: () => import("highlight.js/lib/languages/xml"), inside: ["css", "javascript"] },
  css: { names: [], load: () => import("highlight.js/lib/languages/css") },
  python: { names: ["py", "python3"], load: () => import("highlight.js/lib/languages/python") },
  rust: { names: ["rs"], load: () => import("highlight.js/lib/languages/rust") },
  bash: { names: ["sh", "shell", "zsh"], load: () => import("highlight.js/lib/languages/bash") },
  sql: { names: [], load: () => import("highlight.js/lib/languages/sql") },
  markdown: { names: ["md"], load: () => import("highlight.js/lib/languages/markdown"), inside: ["xml"] },
  java: { names: [], load: () => import("highlight.js/lib/languages/java") },
  c: { names: ["h"], load: () => import("highlight.js/lib/languages/c") },
  cpp: { names: ["c++", "cc", "cxx", "hpp"], load: () => import("highlight.js/lib/languages/cpp") },
};

const BY_NAME = new Map(Object.entries(LANGUAGES).flatMap(([id, { names }]) => [id, ...names].map((name) => [name, id])));

/** highlight.js's name of a language as people write it after a fence; `undefined` when it is not known here. */
export function languageOf(name: string): string | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** Loads a language and those inside of it, into what `register` is of. */
export async function loadLanguage(id: string, register: (id: string, language: LanguageFn) => void): Promise<void> {
  const language = Object.hasOwn(LANGUAGES, id) ? LANGUAGES[id] : undefined;
  if (language === undefined) return;
  const loads = [language.load().then((module) => register(id, module.default)), ...(language.inside ?? []).map((inner) => loadLanguage(inner, register))];
  await Promise.all(loads);
}

/** Every language: what is loaded now is not fetched later. */
export async function loadLanguages(): Promise<void> {
  await Promise.all(Object.values(LANGUAGES).map(({ load }) => load()));
}
