/**
 * Cuts Markdown that is still coming into blocks that are finished and an open rest, so that only the rest is rendered again.
 * Invariant: the finished blocks and the rest, joined, are the HTML of the whole text so far, but for links whose definition
 * came after their block was finished; `end` renders those blocks again.
 */
import type { Env, Token } from "markdown-it";
import { parserOf, toHtml, type MarkdownOptions } from "./html.js";

/** What has changed: blocks to add after the finished ones, and what stands after them for now. */
export interface Progress {
  readonly finished: readonly string[];
  readonly open: string;
}

export class BlockStream {
  readonly #options: MarkdownOptions;
  /** Definitions of the finished blocks. */
  readonly #env: Env = {};
  readonly #finished: { readonly source: string; html: string }[] = [];
  #rest = "";
  /** Of `#rest`, how much has been looked at for finished blocks. */
  #seen = 0;
  #heldReturn = "";

  constructor(options: MarkdownOptions) {
    this.#options = options;
  }

  /** More of the text; nothing is rendered. */
  push(text: string): void {
    const all = this.#heldReturn + text;
    // A return at the very end may be half of a line's end.
    this.#heldReturn = all.endsWith("\r") ? "\r" : "";
    this.#rest += all.slice(0, all.length - this.#heldReturn.length).replace(/\r\n?/g, "\n");
  }

  /** Renders what came since the last time. */
  advance(): Progress {
    const finished = this.#cut().map((source) => {
      const html = toHtml(source, this.#options, this.#env);
      this.#finished.push({ source, html });
      return html;
    });
    return { finished, open: toHtml(this.#rest, this.#options, this.#forRest()) };
  }

  /** The text is over: the last progress, and every finished block whose HTML is another now, by its number. */
  end(): Progress & { readonly changed: ReadonlyMap<number, string> } {
    this.#rest += this.#heldReturn === "" ? "" : "\n";
    this.#heldReturn = "";
    const changed = new Map<number, string>();
    const open = toHtml(this.#rest, this.#options, this.#env);
    if (this.#env.references !== undefined) {
      for (const [index, block] of this.#finished.entries()) {
        const html = block.source.includes("[") ? toHtml(block.source, this.#options, this.#env) : block.html;
        if (html !== block.html) changed.set(index, html);
        block.html = html;
      }
    }
    return { finished: [], open, changed };
  }

  /** Definitions in the rest hold for the rest only, until it is finished: it may still turn out to define something else. */
  #forRest(): Env {
    return { references: { ...this.#env.references } };
  }

  /**
   * Takes what is finished off the rest, block by block: all before the end of its last block but one. Only whole lines count,
   * since the next letter may make any line another thing (`***` a rule, `***a***` emphasis). After a bracket, which may begin
   * a definition, a block is finished at the next empty line: only that ends a title that was begun.
   */
  #cut(): readonly string[] {
    const whole = this.#rest.lastIndexOf("\n") + 1;
    if (whole <= this.#seen) return [];
    const parser = parserOf(this.#options);
    const tokens: Token[] = [];
    const text = this.#rest.slice(0, whole);
    parser.block.parse(text, parser, {}, tokens);
    const ends = tokens.filter(({ level, nesting }) => level === 0 && nesting >= 0).map(({ map }) => map?.[1] ?? 0);
    const lines = text.split("\n").slice(0, -1);
    const lastEmpty = text.includes("[") ? lines.map((line) => /^[ \t]*$/.test(line)).lastIndexOf(true) : lines.length;
    const sources: string[] = [];
    let from = 0;
    for (const end of ends.slice(0, -1).filter((end) => end <= lastEmpty)) {
      sources.push(lines.slice(from, end).map((line) => `${line}\n`).join(""));
      from = end;
    }
    const cut = sources.reduce((length, source) => length + source.length, 0);
    this.#rest = this.#rest.slice(cut);
    this.#seen = whole - cut;
    return sources;
  }
}
