/**
 * Markdown as HTML text that asks for nothing: no links that can be followed, no images, no markup of the model's own.
 * A link is its text and its address, an image its description, as text. What is given here is sanitised again (`sanitise.ts`).
 */
import MarkdownIt, { type Env, type MarkdownIt as Parser, type StateCore, type Token } from "markdown-it";
import { languageOf } from "./languages.js";

/** The words that stand in rendered Markdown, in the reader's language. */
export interface MarkdownWords {
  /** On the button of a block of code. */
  readonly copy: string;
  /** Before the description of an image that is not shown. */
  readonly image: string;
}

export interface MarkdownOptions {
  readonly words: MarkdownWords;
  /** What a heading of the first level becomes, so that an answer's headings stand below the page's own; 3. */
  readonly headingLevel?: number;
}

const HEADING_LEVEL = 3;
const LAST_LEVEL = 6;
/** Letters of a language's name that are shown. */
const LABEL_LENGTH = 30;

/** Puts each link's address after it, as a token of its own; a link that is only an address is only that token. */
function tellAddresses({ tokens, Token }: StateCore): void {
  for (const token of tokens) {
    if (token.children === null) continue;
    const told: Token[] = [];
    let [href, bare] = ["", false];
    for (const child of token.children) {
      if (child.type === "link_open") [href, bare] = [String(child.attrGet("href") ?? ""), child.markup === "autolink"];
      if (!bare) told.push(child);
      if (child.type !== "link_close") continue;
      const address = new Token(bare ? "bare_address" : "address", "", 0);
      address.content = href;
      told.push(address);
      bare = false;
    }
    token.children = told;
  }
}

function codeBlock(code: string, info: string, { words }: MarkdownOptions, escape: (text: string) => string): string {
  const name = info.trim().split(/\s/)[0] ?? "";
  const language = languageOf(name);
  const label = escape(name.slice(0, LABEL_LENGTH));
  const kind = language === undefined ? "" : ` class="language-${language}"`;
  return `<figure class="code"><figcaption><span class="language">${label}</span><button type="button" data-copy="">${escape(words.copy)}</button></figcaption>`
    + `<pre tabindex="0"><code${kind}>${escape(code)}</code></pre></figure>\n`;
}

/** Turns the alignment of a cell, which markdown-it says as a style, into a class. */
function aligned(token: Token | undefined): void {
  const side = /left|right|center/.exec(String(token?.attrGet("style") ?? ""))?.[0];
  if (token !== undefined && side !== undefined) token.attrs = [["class", `align-${side}`]];
}

function makeParser(options: MarkdownOptions): Parser {
  const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true });
  const escape = markdown.utils.escapeHtml;
  const { rules } = markdown.renderer;
  markdown.core.ruler.push("addresses", tellAddresses);
  const content = (tokens: readonly Token[], index: number): string => escape(tokens[index]?.content ?? "");

  rules["link_open"] = () => `<span class="link">`;
  rules["link_close"] = () => "</span>";
  rules["address"] = (tokens, index) => ` <span class="address">${content(tokens, index)}</span>`;
  rules["bare_address"] = (tokens, index) => `<span class="address">${content(tokens, index)}</span>`;
  rules["image"] = (tokens, index, given, env, renderer) => {
    const described = renderer.renderInlineAsText(tokens[index]?.children ?? [], given, env).trim();
    return `<span class="image">[${escape(options.words.image)}${described === "" ? "" : `: ${escape(described)}`}]</span>`;
  };

  const level = (token: Token | undefined): number => Math.min(LAST_LEVEL, Number(token?.tag.slice(1)) - 1 + (options.headingLevel ?? HEADING_LEVEL));
  rules["heading_open"] = (tokens, index) => `<h${level(tokens[index])}>`;
  rules["heading_close"] = (tokens, index) => `</h${level(tokens[index])}>\n`;

  rules["table_open"] = () => `<div class="table"><table>\n`;
  rules["table_close"] = () => "</table></div>\n";
  rules["th_open"] = rules["td_open"] = (tokens, index, given, _env, renderer) => {
    aligned(tokens[index]);
    return renderer.renderToken(tokens, index, given);
  };

  const code = (tokens: readonly Token[], index: number): string => codeBlock(
    tokens[index]?.content ?? "", markdown.utils.unescapeAll(tokens[index]?.info ?? ""), options, escape,
  );
  rules["fence"] = code;
  rules["code_block"] = code;
  return markdown;
}

/** A parser for each set of options, as long as that is used. */
const parsers = new WeakMap<MarkdownOptions, Parser>();

/** The parser that renders with these options. */
export function parserOf(options: MarkdownOptions): Parser {
  const parser = parsers.get(options) ?? makeParser(options);
  parsers.set(options, parser);
  return parser;
}

/** Markdown as HTML text. `env` keeps the definitions of links from one part of a text to the next. */
export function toHtml(text: string, options: MarkdownOptions, env: Env = {}): string {
  return parserOf(options).render(text, env);
}
