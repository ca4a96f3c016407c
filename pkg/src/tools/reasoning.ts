/** Reasoning: what a model says to itself before it answers, between markers of its own. */
import { search } from "./search.js";

/** The markers of a model's reasoning. */
export interface Reasoning {
  readonly open: string;
  readonly close: string;
}

/** A piece of an answer, told apart. */
export interface ReasoningPiece {
  readonly reasoning?: string;
  readonly text?: string;
}

const BLOCKS: readonly Reasoning[] = [
  // Qwen3, DeepSeek-R1, SmolLM3, EXAONE 4, LFM2, GLM and most others.
  { open: "<think>", close: "</think>" },
  // EXAONE Deep.
  { open: "<thought>", close: "</thought>" },
  // Command R7B and after.
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
  // Gemma 4.
  { open: "<|channel>thought\n", close: "<channel|>" },
  // Magistral, Ministral 3.
  { open: "[THINK]", close: "[/THINK]" },
  // Apertus.
  { open: "<|inner_prefix|>", close: "<|inner_suffix|>" },
];

/** The reasoning of models with a chat template; `undefined` where the template knows none. */
export function reasoningOf(template: string): Reasoning | undefined {
  // A template says its line breaks as escapes or as they are. Some only cut reasoning off, and name its end alone.
  const text = template.replaceAll("\\n", "\n");
  return BLOCKS.find(({ open, close }) => text.includes(open) || text.includes(close));
}

/**
 * Tells reasoning and answer apart in a stream. Reasoning stands at the beginning: later its markers are text like any other. Whitespace
 * between markers and what they part is neither, since templates write it of their own.
 */
export class ReasoningSplitter {
  readonly #reasoning: Reasoning;
  #state: "before" | "reasoning" | "text";
  /** What is not told yet. */
  #held = "";
  /** Only whitespace has come since the state began. */
  #fresh: boolean;

  /** `prompt` is the rendered prompt, or the end of it: many templates open the block there. */
  constructor(reasoning: Reasoning, prompt: string) {
    this.#reasoning = reasoning;
    const tail = prompt.trimEnd();
    this.#state = tail.endsWith(reasoning.open.trimEnd()) ? "reasoning" : "before";
    this.#fresh = this.#state === "reasoning";
  }

  /** Whether what comes now is reasoning. */
  get isInside(): boolean {
    return this.#state === "reasoning";
  }

  /** Takes a piece of the answer, with special tokens spelled out. */
  push(text: string): ReasoningPiece {
    return this.#advance(text, false);
  }

  /** The answer has ended: what was held back. */
  finish(): ReasoningPiece {
    return this.#advance("", true);
  }

  #advance(text: string, ended: boolean): ReasoningPiece {
    const { open, close } = this.#reasoning;
    let rest = this.#held + text;
    let reasoning = "";
    if (this.#state === "before") {
      const start = rest.trimStart();
      if (start.startsWith(open)) {
        rest = start.slice(open.length);
        this.#enter("reasoning");
      } else if (!ended && open.startsWith(start)) {
        this.#held = rest;
        return {};
      } else {
        this.#state = "text";
      }
    }
    if (this.#state === "reasoning") {
      const found = search(rest, [close], ended);
      reasoning = this.#told(found.before);
      rest = rest.slice(found.end);
      if (found.marker !== undefined) this.#enter("text");
    }
    if (this.#state === "text") {
      const answer = this.#told(rest);
      this.#held = "";
      return { ...(reasoning === "" ? {} : { reasoning }), ...(answer === "" ? {} : { text: answer }) };
    }
    this.#held = rest;
    return reasoning === "" ? {} : { reasoning };
  }

  #enter(state: "reasoning" | "text"): void {
    this.#state = state;
    this.#fresh = true;
  }

  /** Without the whitespace that a marker has behind it. */
  #told(text: string): string {
    if (!this.#fresh) return text;
    const told = text.trimStart();
    this.#fresh = told === "";
    return told;
  }
}
