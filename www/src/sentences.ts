/** Gives a screen reader whole sentences of an answer, not its tokens. */

/** Ends of sentences, also in Korean, Japanese and Chinese; a line's end is one too. */
const END = /[.!?…。！？]["'”’)\]]*\s|\n/g;

/** Collects text and puts each whole sentence into a polite live region. */
export class Sentences {
  readonly #region: HTMLElement;
  #waiting = "";

  constructor(region: HTMLElement) {
    this.#region = region;
    region.replaceChildren();
  }

  /** More of the answer. */
  add(text: string): void {
    this.#waiting += text;
    const last = [...this.#waiting.matchAll(END)].at(-1);
    if (last === undefined) return;
    const end = last.index + last[0].length;
    this.#say(this.#waiting.slice(0, end));
    this.#waiting = this.#waiting.slice(end);
  }

  /** The answer is over: what is left, and a last word. */
  end(word: string): void {
    this.#say(this.#waiting);
    this.#waiting = "";
    this.#say(word);
  }

  #say(text: string): void {
    if (text.trim() === "") return;
    const line = document.createElement("p");
    line.textContent = text.trim();
    this.#region.append(line);
  }
}
