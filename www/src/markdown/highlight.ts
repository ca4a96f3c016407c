/** Colours of code: classes of highlight.js on blocks that are finished. The highlighter and each language are loaded when first needed. */
import type { HLJSApi } from "highlight.js";
import { loadLanguage, loadLanguages } from "./languages.js";
import { sanitise } from "./sanitise.js";

/** Longer blocks stay plain: highlighting them would hold up the page. */
const MOST_LETTERS = 50_000;
const KIND = /^language-(.+)$/;

let core: Promise<HLJSApi> | undefined;
const languages = new Map<string, Promise<void>>();

async function highlighterOf(language: string): Promise<HLJSApi> {
  core ??= import("highlight.js/lib/core").then((module) => module.default);
  const hljs = await core;
  const loaded = languages.get(language) ?? loadLanguage(language, (id, definition) => hljs.registerLanguage(id, definition));
  languages.set(language, loaded);
  await loaded;
  return hljs;
}

async function highlightBlock(block: Element): Promise<void> {
  const language = [...block.classList].map((name) => KIND.exec(name)?.[1]).find((name) => name !== undefined);
  const code = block.textContent ?? "";
  if (language === undefined || code.length > MOST_LETTERS || block.classList.contains("hljs")) return;
  // Now, so that a second call does not do it again.
  block.classList.add("hljs");
  try {
    const hljs = await highlighterOf(language);
    block.replaceChildren(sanitise(hljs.highlight(code, { language, ignoreIllegals: true }).value));
  } catch {
    // Without a network a language may not come; the code is readable without, and the next block tries again.
    block.classList.remove("hljs");
    core = undefined;
    languages.delete(language);
  }
}

/** Highlights the code in `root` whose language is known; never rejects. */
export async function highlight(root: ParentNode): Promise<void> {
  await Promise.all([...root.querySelectorAll("figure.code code[class]")].map(highlightBlock));
}

/** Fetches the highlighter and all its languages. Rejects where a network is missing. */
export async function prepare(): Promise<void> {
  await Promise.all([import("highlight.js/lib/core"), loadLanguages()]);
}
