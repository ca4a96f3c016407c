/** One answer as events: text, reasoning and tool calls apart, however the model writes them. */
import type { Engine } from "../engine.js";
import { DoranError } from "../errors.js";
import type { GenerateOptions, Usage } from "../types.js";

/** One turn of a conversation, in the names of the OpenAI API. */
export interface ChatMessage {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly content?: string | null | readonly { readonly type: "text"; readonly text: string }[];
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
  readonly reasoning_content?: string | null;
}

/** A call that the model made. */
export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; /** JSON. */ readonly arguments: string };
}

/** A function that the model may call. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** A JSON Schema of the arguments. */
    readonly parameters?: Readonly<Record<string, unknown>>;
    readonly strict?: boolean | null;
  };
}

/** A conversation, and how it is to be answered. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Tool[];
  readonly toolChoice?: "none" | "auto" | "required" | { readonly name: string };
  readonly parallelToolCalls?: boolean;
  /** The last message is the assistant's, and the answer goes on with it. */
  readonly continueFinalMessage?: boolean;
  /** Variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** Sampling, format, `maxTokens`, `stop`, `signal`, …: as `generate` takes them. */
  readonly options?: GenerateOptions;
}

/** What happens in an answer. The last is `finish`. */
export type ChatEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | { readonly type: "tool-call"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: "tool-arguments"; readonly index: number; readonly text: string }
  | { readonly type: "tool-end"; readonly index: number }
  | { readonly type: "finish"; readonly reason: "stop" | "length" | "tool_calls"; readonly usage: Usage };

/** Answers a conversation. Leaving the loop stops the model. */
export function chat(engine: Engine, request: ChatRequest): AsyncIterableIterator<ChatEvent> {
  throw new DoranError("unsupported", `${engine.info.name} does not chat yet: ${request.messages.length} messages stay unread`);
}
