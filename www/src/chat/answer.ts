/**
 * One answer of a model to messages, as it comes: text, thoughts, calls of tools, and what it took. A model without a chat template
 * goes on with the text of the last message instead.
 */
import { DoranError, type ChatCompletionChunk, type ChatCompletionRequest, type ChatMessage, type CompletionUsage, type ContextPolicy, type Engine, type PrefillProgress, type ResponseFormat, type SamplingFields, type Tool } from "doran";
import type { ChatSettings, ToolCall } from "../conversations/index.js";
import type { UsedAdapter } from "./settings.js";

/** What is asked. */
export interface Question {
  readonly messages: readonly ChatMessage[];
  readonly settings: ChatSettings;
  readonly adapters?: readonly UsedAdapter[];
  /** An answer calls one of them at most: small models do not know when to end. */
  readonly tools?: readonly Tool[];
  readonly toolChoice?: NonNullable<ChatCompletionRequest["tool_choice"]>;
  readonly format?: ResponseFormat;
  readonly thinks?: boolean;
  readonly contextPolicy?: ContextPolicy;
  readonly signal: AbortSignal;
}

/** An answer so far. */
export interface Answer {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  /** While the prompt is read. */
  readonly prefill?: PrefillProgress | undefined;
  readonly tokens: number;
  /** Tokens a second, once there are two. */
  readonly tokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
  readonly usage?: CompletionUsage | undefined;
  readonly finishReason?: string | undefined;
}

/** An answer of which nothing has come. */
export const NOTHING: Answer = { text: "", reasoning: "", toolCalls: [], tokens: 0, tokensPerSecond: 0, timeToFirstTokenMs: 0 };

/** Asks the model; `tell` is called with each piece. Gives the whole answer; rejects as the engine does, or with the signal's reason. */
export async function ask(engine: Engine, question: Question, tell: (answer: Answer) => void): Promise<Answer> {
  const growing = new Growing(tell);
  const options = {
    signal: question.signal, onPrefill: (progress: PrefillProgress) => { growing.read(progress); },
    ...(question.contextPolicy === undefined ? {} : { contextPolicy: question.contextPolicy }),
  };
  const sampling = samplingOf(question);
  if (engine.info.chatTemplate === null) {
    if (question.tools !== undefined) throw new DoranError("tools_unsupported", "this model has no chat template, which would tell it of tools");
    if (question.format !== undefined) throw new DoranError("unsupported", "this model has no chat template: it goes on with a text, which has no form");
    const prompt = question.messages.map(({ content }) => (typeof content === "string" ? content : "")).join("\n\n");
    const stream = await engine.completions.create({ ...sampling, prompt, stream: true, stream_options: { include_usage: true } }, options);
    for await (const { choices: [choice], usage } of stream) growing.add(choice === undefined ? undefined : { content: choice.text }, choice?.finish_reason, usage);
    return growing.answer;
  }
  const request: ChatCompletionRequest & { readonly stream: true } = {
    ...sampling, messages: question.messages, stream: true, stream_options: { include_usage: true },
    ...(question.tools === undefined ? {} : { tools: question.tools, tool_choice: question.toolChoice ?? "auto", parallel_tool_calls: false }),
    ...(question.format === undefined ? {} : { response_format: question.format }),
    ...(question.thinks === false && knowsThinking(engine) ? { chat_template_kwargs: { enable_thinking: false } } : {}),
  };
  for await (const { choices: [choice], usage } of await engine.chat.completions.create(request, options)) growing.add(choice?.delta, choice?.finish_reason, usage);
  return growing.answer;
}

/** Whether a model's template lets the reader choose whether it thinks first. */
export const knowsThinking = (engine: Engine): boolean => engine.info.chatTemplate?.includes("enable_thinking") ?? false;

function samplingOf({ settings, adapters }: Question): Omit<SamplingFields, "stream"> {
  const { temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty, maxTokens, seed, stop } = settings;
  return {
    temperature: temperature ?? null, top_p: topP ?? null, top_k: topK ?? null, min_p: minP ?? null, repetition_penalty: repetitionPenalty ?? null,
    frequency_penalty: frequencyPenalty ?? null, presence_penalty: presencePenalty ?? null, max_tokens: maxTokens ?? null, seed: seed ?? null, stop: stop ?? null,
    adapters: adapters === undefined || adapters.length === 0 ? null : adapters,
  };
}

/** Puts the pieces together, and takes the time. */
class Growing {
  answer: Answer = NOTHING;
  readonly #tell: (answer: Answer) => void;
  readonly #begun = performance.now();
  #first = 0;

  constructor(tell: (answer: Answer) => void) {
    this.#tell = tell;
  }

  read(prefill: PrefillProgress): void {
    this.#grow({ prefill });
  }

  add(delta: ChatCompletionChunk["choices"][number]["delta"] | undefined, finishReason: string | null | undefined, usage: CompletionUsage | null | undefined): void {
    const content = delta?.content ?? "";
    const reasoning = delta?.reasoning_content ?? "";
    const calls = delta?.tool_calls ?? [];
    const { answer } = this;
    let { tokens, tokensPerSecond, timeToFirstTokenMs } = answer;
    if (content !== "" || reasoning !== "" || calls.length > 0) {
      const now = performance.now();
      if (tokens === 0) {
        this.#first = now;
        timeToFirstTokenMs = now - this.#begun;
      } else {
        tokensPerSecond = tokens / ((now - this.#first) / 1000);
      }
      tokens += 1;
    }
    if (usage !== null && usage !== undefined && tokens > 1) {
      // A piece may hold several tokens: usage knows how many there were.
      tokensPerSecond *= Math.max(1, (usage.completion_tokens - 1) / (tokens - 1));
      tokens = usage.completion_tokens;
    }
    this.#grow({
      text: answer.text + content, reasoning: answer.reasoning + reasoning, toolCalls: calls.reduce(withPiece, answer.toolCalls), prefill: undefined,
      tokens, tokensPerSecond, timeToFirstTokenMs, finishReason: finishReason ?? answer.finishReason, usage: usage ?? answer.usage,
    });
  }

  #grow(change: Partial<Answer>): void {
    this.answer = { ...this.answer, ...change };
    this.#tell(this.answer);
  }
}

type CallPiece = NonNullable<ChatCompletionChunk["choices"][number]["delta"]["tool_calls"]>[number];

function withPiece(calls: readonly ToolCall[], piece: CallPiece): readonly ToolCall[] {
  const before = calls[piece.index] ?? { id: "", type: "function", function: { name: "", arguments: "" } };
  const after: ToolCall = {
    id: before.id + (piece.id ?? ""), type: "function",
    function: { name: before.function.name + (piece.function.name ?? ""), arguments: before.function.arguments + (piece.function.arguments ?? "") },
  };
  return [...calls.slice(0, piece.index), after, ...calls.slice(piece.index + 1)];
}
