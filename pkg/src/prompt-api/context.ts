/** What a session remembers: what it began with, and turns, of which the oldest leave when the context is full. */
import type { ChatMessage, ChatRequest } from "../chat/events.js";
import { prepare } from "../chat/prompt.js";
import { textOf } from "../chat/text.js";
import type { Engine } from "../engine.js";
import { DoranError } from "../errors.js";
import { quotaExceeded } from "./errors.js";

/** What every request of a session has beside its messages. */
export type Frame = Pick<ChatRequest, "tools" | "templateArgs">;

/** A prompt with its answer, and what was appended before it. */
interface Turn {
  readonly messages: readonly ChatMessage[];
  /** It has its answer. */
  readonly closed: boolean;
}

/** Tokens that an answer should have room for, if older turns can make it: an eighth of the window, at most these. */
const ANSWER_TOKENS = 256;

/** See the file's head. */
export class Context {
  readonly #engine: Engine;
  readonly #initial: readonly ChatMessage[];
  /** What every prompt of the conversation has beside its messages. */
  readonly #frame: Frame;
  #turns: readonly Turn[];
  #usage: number;

  private constructor(engine: Engine, begun: { initial: readonly ChatMessage[]; frame: Frame; turns: readonly Turn[]; usage: number }) {
    this.#engine = engine;
    this.#initial = begun.initial;
    this.#frame = begun.frame;
    this.#turns = begun.turns;
    this.#usage = begun.usage;
  }

  /** A new conversation. Throws `QuotaExceededError` if what it begins with leaves no room. */
  static async begin(engine: Engine, initial: readonly ChatMessage[], frame: Frame): Promise<Context> {
    const usage = await tokensOf(engine, initial, frame);
    const { context } = engine.info;
    if (usage >= context) throw quotaExceeded("initialPrompts leave no room for a prompt", { requested: usage, quota: context });
    return new Context(engine, { initial, frame, turns: [], usage });
  }

  /** The same conversation, from here on apart. */
  clone(): Context {
    return new Context(this.#engine, { initial: this.#initial, frame: this.#frame, turns: this.#turns, usage: this.#usage });
  }

  /** Tokens of the conversation so far. */
  get usage(): number {
    return this.#usage;
  }

  /** Tokens that the model takes, answers included. */
  get window(): number {
    return this.#engine.info.context;
  }

  /** The conversation with more behind it. */
  with(more: readonly ChatMessage[]): readonly ChatMessage[] {
    return joined([...this.#initial, ...this.#turns.flatMap(({ messages }) => messages), ...more]);
  }

  /** How many tokens more the conversation would have with `more`. */
  async measure(more: readonly ChatMessage[]): Promise<number> {
    return await this.#count(more) - this.#usage;
  }

  /**
   * Lets the oldest turns leave until `more` has room, and says whether any had to. Throws `QuotaExceededError` where it has none even
   * so; nothing leaves then.
   */
  async makeRoom(more: readonly ChatMessage[], { answer }: { readonly answer: boolean }): Promise<boolean> {
    const all = this.#turns;
    const wanted = this.window - (answer ? Math.min(ANSWER_TOKENS, this.window >> 3) : 1);
    let tokens = await this.#count(more);
    while (tokens > wanted && this.#turns.length > 0) {
      this.#turns = this.#turns.slice(1);
      tokens = await this.#count(more);
    }
    if (tokens >= this.window) {
      this.#turns = all;
      const requested = await this.measure(more);
      throw quotaExceeded(`the prompt takes ${requested} tokens, and the window has ${this.window}`, { requested, quota: this.window - this.#usage });
    }
    if (this.#turns === all) return false;
    this.#usage = await this.#count([]);
    return true;
  }

  /** Adds messages: to a turn that waits for its answer, or as a new one. `closed`: the answer is among them. */
  async add(messages: readonly ChatMessage[], { closed }: { readonly closed: boolean }): Promise<void> {
    const last = this.#turns.at(-1);
    const open = last !== undefined && !last.closed;
    const turn = { messages: [...(open ? last.messages : []), ...messages], closed };
    const turns = [...(open ? this.#turns.slice(0, -1) : this.#turns), turn];
    this.#usage = await this.#count(messages);
    this.#turns = turns;
  }

  #count(more: readonly ChatMessage[]): Promise<number> {
    return tokensOf(this.#engine, this.with(more), this.#frame);
  }
}

/** Neighbours of one role become one message: many chat templates want roles to alternate. */
function joined(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const all: ChatMessage[] = [];
  for (const message of messages) {
    const last = all.at(-1);
    const plain = (one: ChatMessage): boolean => typeof one.content === "string" && one.tool_calls === undefined && one.role !== "tool";
    if (last?.role === message.role && plain(last) && plain(message)) all[all.length - 1] = { role: message.role, content: `${textOf(last)}\n\n${textOf(message)}` };
    else all.push(message);
  }
  return all;
}

/**
 * How many tokens a conversation takes by the chat template. Throws what the answer to it would: without messages there is nothing to
 * throw, and nothing to count.
 */
async function tokensOf(engine: Engine, conversation: readonly ChatMessage[], frame: Frame): Promise<number> {
  if (conversation.length === 0) return 0;
  const { messages, generate: { tools, templateArgs } } = await prepare(engine, { messages: conversation, ...frame });
  try {
    return await engine.countTokens(messages, { ...(tools === undefined ? {} : { tools }), ...(templateArgs === undefined ? {} : { templateArgs }) });
  } catch (thrown) {
    // Some templates refuse some orders of roles. What is to be answered will say so; here a sum of the texts will do.
    if (!(thrown instanceof DoranError && thrown.code === "template")) throw thrown;
    return engine.countTokens(conversation.map(textOf).join("\n\n"));
  }
}
