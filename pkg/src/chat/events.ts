/** One answer to a conversation as events: text, reasoning and calls of tools are told apart as they come. */
import type { Engine } from "../engine.js";
import { DoranError } from "../errors.js";
import { reasoningOf, type ReasoningStream } from "../tools/reasoning.js";
import { syntaxOf, type StreamParser, type ToolEvent } from "../tools/index.js";
import type { GenerateOptions, Token } from "../types.js";
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
  const { messages, generate, forced } = await prepare(engine, request);
  const template = engine.info.chatTemplate ?? "";
  const calls = request.tools !== undefined && request.tools.length > 0 && request.toolChoice !== "none";
  const parts = new Parts(calls ? syntaxOf(template)?.parser() : undefined, await reasoningStream(engine, template, messages, generate));
  // What a forced grammar begins with is certain to be a call: there is nothing to think about before it.
  for await (const item of engine.generate(messages, { ...generate, specialTokens: calls || parts.reasons || generate.specialTokens === true })) {
    if (item.finishReason === undefined) {
      yield* parts.push(item.text, generate.logprobs === true || (generate.topLogprobs ?? 0) > 0 ? item : undefined, item);
      continue;
    }
    yield* parts.push(item.text);
    yield* parts.finish();
    const called = parts.calls > 0 && (item.finishReason === "stop" || forced);
    yield {
      type: "finish", reason: called && item.finishReason === "stop" ? "tool_calls" : item.finishReason, usage: item.usage, reasoningTokens: parts.reasoningTokens,
    };
  }
}

/** What tells thoughts from the answer, where the model thinks. Whether its thoughts have begun already is seen at the prompt's end. */
async function reasoningStream(engine: Engine, template: string, messages: Parameters<Engine["applyChatTemplate"]>[0], options: GenerateOptions): Promise<ReasoningStream | undefined> {
  const reasoning = reasoningOf(template);
  if (reasoning === undefined) return undefined;
  const { tools, templateArgs, continueFinalMessage } = options;
  const prompt = await engine.applyChatTemplate(messages, {
    ...(tools === undefined ? {} : { tools }), ...(templateArgs === undefined ? {} : { templateArgs }),
    ...(continueFinalMessage === undefined ? {} : { continueFinalMessage }),
  });
  return reasoning.stream(prompt.slice(-256));
}

/** An answer's text on its way to events. */
class Parts {
  readonly #parser: StreamParser | undefined;
  readonly #reasoning: ReasoningStream | undefined;
  readonly #ids = new Map<number, string>();
  /** Tokens with log-probabilities, until there is text that they can go with. */
  #tokens: Token[] = [];
  calls = 0;
  reasoningTokens = 0;

  constructor(parser: StreamParser | undefined, reasoning: ReasoningStream | undefined) {
    this.#parser = parser;
    this.#reasoning = reasoning;
  }

  get reasons(): boolean {
    return this.#reasoning !== undefined;
  }

  /** More text. `kept` goes out with the next text. */
  * push(text: string, kept?: Token, token?: Token): Generator<ChatEvent> {
    if (kept !== undefined) this.#tokens.push(kept);
    if (this.#reasoning === undefined) {
      yield* this.#answer(text);
      return;
    }
    const pieces = this.#reasoning.push(text);
    if (token !== undefined && this.#reasoning.isInside) {
      this.reasoningTokens += 1;
      // Log-probabilities are told of the answer's text.
      this.#tokens = [];
    }
    yield* this.#pieces(pieces);
  }

  * finish(): Generator<ChatEvent> {
    if (this.#reasoning !== undefined) yield* this.#pieces(this.#reasoning.finish());
    if (this.#parser !== undefined) yield* this.#events(this.#parser.finish());
    if (this.#tokens.length > 0) yield { type: "text", text: "", tokens: this.#tokens.splice(0) };
  }

  * #pieces(pieces: readonly { readonly reasoning?: string; readonly text?: string }[]): Generator<ChatEvent> {
    for (const { reasoning, text } of pieces) {
      if (reasoning !== undefined && reasoning !== "") yield { type: "reasoning", text: reasoning };
      if (text !== undefined) yield* this.#answer(text);
    }
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

/** The error of tools where the model has none. */
export function toolsUnsupported(name: string): DoranError {
  return new DoranError(
    "tools_unsupported",
    `the chat template of ${name} writes tools in no way that is known; leave tools out, choose a model with tools, or give chatTemplate`,
  );
}
