/**
 * What a conversation is. Its turns are a tree, so that an edit or a second answer stands beside the first and nothing is lost.
 * Invariants: a turn comes after its parent in `turns`, ids are unique in a conversation, and `chosen` names children only.
 */

export type Role = "system" | "user" | "assistant" | "tool";

/** How answers are made; what is absent is the model's default. */
export interface ChatSettings {
  readonly systemPrompt?: string;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly maxTokens?: number;
  readonly seed?: number;
  /** Texts that end an answer. */
  readonly stop?: readonly string[];
}

/** A call as the package gives it; `arguments` is the text of a JSON object. */
export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** How an answer was made and how quick it was. */
export interface Statistics {
  readonly tokens: number;
  readonly promptTokens: number;
  readonly tokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
  readonly model: string;
  readonly settings: ChatSettings;
  readonly finishReason: string;
}

export interface Turn {
  readonly id: string;
  /** `null` for a first turn; there are several when the first one was edited. */
  readonly parent: string | null;
  readonly role: Role;
  readonly content: string;
  /** Milliseconds since 1970, as everywhere here. */
  readonly created: number;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** Of a `tool` turn: the call that it answers. */
  readonly toolCallId?: string;
  readonly statistics?: Statistics;
  /** The reader ended the answer, so it may break off. */
  readonly stopped?: boolean;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** A title by hand is never replaced by one that is made from the text. */
  readonly titledByHand: boolean;
  readonly created: number;
  readonly updated: number;
  /** What the model is called where it is loaded from; `null` before one was chosen. */
  readonly model: string | null;
  readonly settings: ChatSettings;
  readonly turns: readonly Turn[];
  /** The child that is shown, by its parent's id (`ROOT` for first turns); without one, the newest. */
  readonly chosen: Readonly<Record<string, string>>;
}

/** The key in `chosen` of the first turns; no id is empty. */
export const ROOT = "";

/** What a list of conversations shows of one. */
export interface Summary extends Omit<Conversation, "settings" | "turns" | "chosen"> {
  /** How many turns there are, of all branches. */
  readonly turns: number;
}

/** The summary of a conversation. */
export function summaryOf({ id, title, titledByHand, created, updated, model, turns }: Conversation): Summary {
  return { id, title, titledByHand, created, updated, model, turns: turns.length };
}
