/** Markdown that is shown while it comes. Finished blocks are left alone, and the open one is rendered at most once a frame. */
import { BlockStream } from "./blocks.js";
import { highlight } from "./highlight.js";
import type { MarkdownOptions } from "./html.js";
import { sanitise } from "./sanitise.js";

export interface StreamOptions extends MarkdownOptions {
  /** Calls back before the next frame; `requestAnimationFrame`. */
  readonly requestFrame?: (callback: () => void) => unknown;
  /** After each time that something new is shown, to scroll with it. */
  readonly onRender?: () => void;
}

export class StreamingMarkdown {
  readonly #target: Element;
  readonly #options: StreamOptions;
  readonly #blocks: BlockStream;
  /** The nodes of each finished block. */
  readonly #finished: ChildNode[][] = [];
  #open: ChildNode[] = [];
  #waits = false;
  #over = false;
  readonly #highlights: Promise<void>[] = [];

  /** Shows in `target`, which is emptied. */
  constructor(target: Element, options: StreamOptions) {
    this.#target = target;
    this.#options = options;
    this.#blocks = new BlockStream(options);
    target.replaceChildren();
  }

  /** More of the text, in pieces of any size; nothing after `end`. */
  push(text: string): void {
    if (this.#over || text === "") return;
    this.#blocks.push(text);
    if (this.#waits) return;
    this.#waits = true;
    const requestFrame = this.#options.requestFrame ?? ((callback) => requestAnimationFrame(callback));
    requestFrame(() => this.#frame());
  }

  /** The text is over, and all of it is shown at once as `render` would show it. Resolves when its code is highlighted; never rejects. */
  async end(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const { open, changed } = this.#blocks.end();
    for (const [index, html] of changed) {
      const old = this.#finished[index] ?? [];
      const nodes = this.#nodesOf(html);
      old[0]?.before(...nodes);
      for (const node of old) node.remove();
      this.#finished[index] = nodes;
    }
    this.#showOpen(open);
    this.#highlights.push(highlight(this.#target));
    this.#options.onRender?.();
    await Promise.all(this.#highlights);
  }

  #frame(): void {
    this.#waits = false;
    if (this.#over) return;
    const { finished, open } = this.#blocks.advance();
    for (const html of finished) {
      this.#showOpen(html);
      this.#finished.push(this.#open);
      this.#highlights.push(...this.#open.filter((node) => node instanceof Element).map(highlight));
      this.#open = [];
    }
    this.#showOpen(open);
    this.#options.onRender?.();
  }

  /** Puts new nodes where the open ones are. */
  #showOpen(html: string): void {
    const nodes = this.#nodesOf(html);
    for (const node of this.#open) node.remove();
    this.#target.append(...nodes);
    this.#open = nodes;
  }

  #nodesOf(html: string): ChildNode[] {
    return [...sanitise(html).childNodes];
  }
}
