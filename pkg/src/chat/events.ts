/** One answer to a conversation as events: text, reasoning and calls of tools are told apart as they come. */
import type { Engine } from "../engine.js";
import { until } from "../signals.js";
import type { ReasoningPiece, ReasoningSplitter, StreamParser, ToolEvent } from "../tools/index.js";
import type { Token } from "../types.js";
import { prepare } from "./prompt.js";
import type { ChatEvent, ChatRequest } from "./types.js";

export type { ChatEvent, ChatFinish, ChatMessage, ChatRequest, TextPart, Tool, ToolCall, ToolChoice } from "./types.js";

/**
 * Answers a conversation. Nothing happens before the first `next()`; leaving the loop stops the model.
 *
 * Rejects as {@link Engine.generate} does; with `tools_unsupported` where the conversation needs tools and the model's chat template has
 * none that are known; with `bad_argument` for messages that are none.
 */
export async function* chat(engine: Engine, request: ChatRequest): AsyncGenerator<ChatEvent, undefined, undefined> {
  const { messages, generate, parser, splitter } = await until(request.options?.signal, prepare(engine, request));
  const parts = new Parts(parser, splitter);
  const wantsLogprobs = generate.logprobs === true || (generate.topLogprobs ?? 0) > 0;
  for await (const item of engine.generate(messages, generate)) {
    if (item.finishReason === undefined) {
      yield* parts.push(item.text, item, wantsLogprobs);
      continue;
    }
    yield* parts.push(item.text);
    yield* parts.finish();
    const reason = item.finishReason === "stop" && parts.calls > 0 ? "tool_calls" : item.finishReason;
    yield { type: "finish", reason, usage: item.usage, reasoningTokens: parts.reasoningTokens };
  }
}

/** An answer's text on its way to events. */
class Parts {
  readonly #parser: StreamParser | undefined;
  readonly #reasoning: ReasoningSplitter | undefined;
  readonly #ids = new Map<number, string>();
  /** Tokens with log-probabilities, until there is text that they can go with. */
  #tokens: Token[] = [];
  calls = 0;
  reasoningTokens = 0;

  constructor(parser: StreamParser | undefined, reasoning: ReasoningSplitter | undefined) {
    this.#parser = parser;
    this.#reasoning = reasoning;
  }

  /** More text, and the token that it came with; `keeps` says that tokens go out with the next text. */
  * push(text: string, token?: Token, keeps = false): Generator<ChatEvent> {
    if (token !== undefined && keeps) this.#tokens.push(token);
    if (this.#reasoning === undefined) {
      yield* this.#answer(text);
      return;
    }
    const piece = this.#reasoning.push(text);
    if (token !== undefined && this.#reasoning.isInside) {
      this.reasoningTokens += 1;
      // Log-probabilities are told of the answer's text.
      this.#tokens = [];
    }
    yield* this.#piece(piece);
  }

  * finish(): Generator<ChatEvent> {
    if (this.#reasoning !== undefined) yield* this.#piece(this.#reasoning.finish());
    if (this.#parser !== undefined) yield* this.#events(this.#parser.finish());
    if (this.#tokens.length > 0) yield { type: "text", text: "", tokens: this.#tokens.splice(0) };
  }

  * #piece({ reasoning, text }: ReasoningPiece): Generator<ChatEvent> {
    if (reasoning !== undefined) yield { type: "reasoning", text: reasoning };
    if (text !== undefined) yield* this.#answer(text);
  }

  * #answer(text: string): Generator<ChatEvent> {
    if (this.#parser === undefined) yield* this.#text(text);
    else yield* this.#events(this.#parser.push(text));
  }

  * #events(events: readonly ToolEvent[]): Generator<ChatEvent> {
    for (const event of events) {
      switch (event.type) {
        case "text":
          yield* this.#text(event.text);
          break;
        case "call": {
          const id = callId();
          this.#ids.set(event.index, id);
          this.calls += 1;
          yield { type: "tool-call", index: event.index, id, name: event.name };
          break;
        }
        case "arguments":
          yield { type: "tool-arguments", index: event.index, text: event.text };
          break;
        case "end":
          yield { type: "tool-end", index: event.index };
          break;
      }
    }
  }

  * #text(text: string): Generator<ChatEvent> {
    if (text === "") return;
    yield { type: "text", text, ...(this.#tokens.length === 0 ? {} : { tokens: this.#tokens.splice(0) }) };
  }
}

/** A name for a call that no other has. */
function callId(): string {
  return `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
}
