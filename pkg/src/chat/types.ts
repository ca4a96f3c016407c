/** A conversation with tools, and an answer to it as events: what the surfaces of the package have in common. */
import type { Tool, ToolCall } from "../tools/index.js";
import type { GenerateOptions, Token, Usage } from "../types.js";

export type { Tool, ToolCall } from "../tools/index.js";

/** One turn, as the OpenAI API writes it. */
export interface ChatMessage {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly content?: string | null | readonly TextPart[];
  /** What the assistant called. */
  readonly tool_calls?: readonly ToolCall[];
  /** Which call a `tool` message answers. */
  readonly tool_call_id?: string;
  readonly name?: string;
  /** What the assistant thought before it answered. */
  readonly reasoning_content?: string | null;
}

/** A piece of a message's text. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** Whether tools are called: never, as the model likes, always, or this one. */
export type ToolChoice = "none" | "auto" | "required" | { readonly name: string };

/** What is to be answered, and how. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Tool[] | undefined;
  /** The default is `"auto"`. */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether one answer may have several calls; the default is `true`. */
  readonly parallelToolCalls?: boolean | undefined;
  /** The last message is the assistant's, and the answer goes on with it. */
  readonly continueFinalMessage?: boolean | undefined;
  /** Variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>> | undefined;
  /** Sampling, format, limits, signal: as `generate` takes them. */
  readonly options?: GenerateOptions | undefined;
}

/** What happens in an answer, in order. */
export type ChatEvent =
  /** `tokens`: with `logprobs`, those that came since the last event of text. */
  | { readonly type: "text"; readonly text: string; readonly tokens?: readonly Token[] | undefined }
  | { readonly type: "reasoning"; readonly text: string }
  /** A call begins. `index` counts the calls of the answer from 0. */
  | { readonly type: "tool-call"; readonly index: number; readonly id: string; readonly name: string }
  /** A piece of a call's arguments, which are JSON. */
  | { readonly type: "tool-arguments"; readonly index: number; readonly text: string }
  | { readonly type: "tool-end"; readonly index: number }
  | { readonly type: "finish"; readonly reason: ChatFinish; readonly usage: Usage; readonly reasoningTokens: number };

/** Why an answer ended. */
export type ChatFinish = "stop" | "length" | "tool_calls" | "aborted" | (string & {});
