/** What the tool syntaxes and their callers share. */

/** A JSON schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A function the model may call, as the OpenAI API writes it. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** A schema of an object. Without one the function takes no arguments. */
    readonly parameters?: JsonSchema;
    readonly strict?: boolean | null;
  };
}

/** A call in an assistant's message, as the OpenAI API writes it. */
export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  /** `arguments` is the text of a JSON object. */
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A part of a message's content. */
export interface ContentPart {
  readonly type: string;
  readonly text?: string;
}

/** A message as the OpenAI API writes it. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly ContentPart[] | null;
  readonly name?: string;
  /** Of an assistant's message: what it calls. */
  readonly tool_calls?: readonly ToolCall[] | null;
  /** Of a tool's message: the call that it answers. */
  readonly tool_call_id?: string;
  /** Of an assistant's message: what it thought. */
  readonly reasoning_content?: string | null;
}

/**
 * What an answer turns out to be, in order. A call is one `call`, any number of `arguments` whose texts joined are one JSON object,
 * and one `end`. Where the answer breaks off inside the arguments, or they stop being JSON, `end` follows what there was of them, as
 * the OpenAI API has it: whoever runs the call parses its arguments anyway.
 */
export type ToolEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "call"; readonly index: number; readonly name: string }
  | { readonly type: "arguments"; readonly index: number; readonly text: string }
  | { readonly type: "end"; readonly index: number };

/** Finds calls in an answer that comes in pieces. However it is cut, the events are the same but for where their texts are cut. */
export interface StreamParser {
  /** Takes a piece of the answer: its text with special tokens spelled out, and without those that end a turn. */
  push(text: string): readonly ToolEvent[];
  /** The answer has ended: what was held back. */
  finish(): readonly ToolEvent[];
}

/** Options of `ToolSyntax.grammar`. */
export interface GrammarOptions {
  /** Several calls are allowed in one answer. */
  readonly parallel: boolean;
  /**
   * Whether a text is a single special token of the model's vocabulary; best its id. A grammar names special tokens apart from text, which
   * can never match them. `true` serves only tokens in angle brackets (`<tool_call>`): the others have no name in the grammar's
   * dialect, and without an id their text is asked for. Left out, all are text.
   */
  readonly special?: (text: string) => number | boolean | undefined;
}

/** How a family of models writes calls, and how its chat template wants conversations with calls. */
export interface ToolSyntax {
  readonly name: string;
  /** Whether a chat template writes tools so. */
  matches(template: string): boolean;
  /**
   * A parser for one answer. With tools whose arguments are not JSON on the wire, `tools` say which of them are texts; other
   * syntaxes do not look at them.
   */
  parser(tools?: readonly Tool[]): StreamParser;
  /**
   * A Lark grammar in llguidance's dialect of an answer that is one call of these tools (with `parallel` one or more) and nothing else.
   * Arguments follow each tool's schema. Its rules are `start` and others that begin with `tool_`, so that it goes with other grammars. It says nothing of reasoning: apply it where the answer proper begins.
   */
  grammar(tools: readonly Tool[], options: GrammarOptions): string;
  /** Messages in the OpenAI API's form as templates of this syntax want them. */
  toTemplate(messages: readonly ChatMessage[]): readonly Record<string, unknown>[];
}
