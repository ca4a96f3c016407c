/** What happens in the conversation that is shown: saying, stopping, saying again, editing, and what the model answers. */
import { signal } from "@preact/signals";
import { DoranError, type ChatMessage } from "doran";
import {
  addTurn, choose, edit, leaf, newConversation, path, regenerate, StoreError, titleFrom, updateTurn, withTitle, type Conversation, type Statistics, type Turn,
} from "../conversations/index.js";
import { engine, unload } from "../model.js";
import { ask, NOTHING, type Answer } from "./answer.js";
import { adapters, chatSettings, slides, thinks } from "./settings.js";
import { keep, show, shown, withStore } from "./store.js";

/** The answer that is being made: to which turn its words belong, and what has come. */
export interface Running {
  readonly conversation: string;
  readonly turn: string;
  readonly answer: Answer;
}

/** The answer that is being made. */
export const running = signal<Running | undefined>(undefined);
/** Why the last answer failed, and in which conversation. */
export const answerProblem = signal<{ readonly conversation: string; readonly error: unknown } | undefined>(undefined);
/** How many tokens of the context the conversation takes, and how many there are. */
export const contextUsed = signal<{ readonly used: number; readonly of: number } | undefined>(undefined);

/** Errors after which the engine is of no more use. */
const ENDS_ENGINE = new Set(["unloaded", "device_lost", "internal"]);
/** A draft is kept so often while an answer comes, so that a page that is closed loses little. */
const KEEP_MS = 2000;

let controller: AbortController | undefined;

/** Says something, in a new conversation where none is shown; and has it answered. */
export async function say(text: string): Promise<void> {
  if (text.trim() === "" || running.value !== undefined) return;
  const begun = shown.value ?? newConversation(engine.value?.info.name ?? null, chatSettings.value);
  const said = addTurn(begun, { role: "user", content: text });
  await answerTo(withTitle(said, begun.title === "" ? titleFrom(text) : said.title, false));
}

/** Other words in the place of those that were said: a branch of its own, which is answered anew. */
export async function editTurn(id: string, text: string): Promise<void> {
  if (shown.value === undefined || running.value !== undefined || text.trim() === "") return;
  await answerTo(edit(shown.value, id, text));
}

/** Another answer beside one that is there. */
export async function answerAgain(id: string): Promise<void> {
  if (shown.value === undefined || running.value !== undefined) return;
  const branched = regenerate(shown.value, id);
  const turn = leaf(branched);
  if (turn !== undefined) await run(branched, turn);
}

/** Shows another branch. */
export async function chooseTurn(id: string): Promise<void> {
  if (shown.value !== undefined && running.value === undefined) await keep(choose(shown.value, id));
}

/** Ends the answer; what was said stays. */
export function stop(): void {
  controller?.abort();
}

/** An empty conversation. */
export function newChat(): void {
  stop();
  shown.value = undefined;
  answerProblem.value = undefined;
}

/** Shows a stored conversation. An answer that is coming in another one goes on there. */
export async function openChat(id: string): Promise<void> {
  if (shown.value?.id === id) return;
  answerProblem.value = undefined;
  await show(id);
}

/** Deletes every conversation. */
export async function wipe(): Promise<void> {
  newChat();
  await withStore((store) => store.deleteAll());
}

/** What the model is given: the instructions, and the turns that are shown. */
export function messagesOf(conversation: Conversation, before?: string): readonly ChatMessage[] {
  const turns = path(conversation);
  const end = before === undefined ? turns.length : turns.findIndex(({ id }) => id === before);
  const { systemPrompt } = chatSettings.value;
  const system: readonly ChatMessage[] = systemPrompt === undefined || systemPrompt === "" ? [] : [{ role: "system", content: systemPrompt }];
  return [...system, ...turns.slice(0, end).map(messageOf)];
}

function messageOf({ role, content, toolCalls, toolCallId }: Turn): ChatMessage {
  return { role, content, ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }), ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }) };
}

async function answerTo(conversation: Conversation): Promise<void> {
  const waiting = addTurn(conversation, { role: "assistant", content: "" });
  const turn = leaf(waiting);
  if (turn !== undefined) await run(waiting, turn);
}

/** Has the model write the turn, which is the leaf. */
async function run(conversation: Conversation, { id }: Turn): Promise<void> {
  const model = engine.value;
  if (model === undefined) return;
  const own = new AbortController();
  controller = own;
  answerProblem.value = undefined;
  running.value = { conversation: conversation.id, turn: id, answer: NOTHING };
  const settings = chatSettings.value;
  // Until it is whole it is a part: a page that is closed now keeps no more of it.
  await keep(updateTurn({ ...conversation, model: model.info.name, settings }, id, { stopped: true }));
  let last: Answer = NOTHING;
  let keptAt = performance.now();
  try {
    const messages = messagesOf(conversation, id);
    last = await ask(model, { messages, settings, adapters: adapters.value, thinks: thinks.value, contextPolicy: slides.value ? "slide" : "error", signal: own.signal }, (answer) => {
      last = answer;
      running.value = { conversation: conversation.id, turn: id, answer };
      if (performance.now() - keptAt > KEEP_MS) {
        keptAt = performance.now();
        void write(conversation.id, id, answer, {});
      }
    });
    await write(conversation.id, id, last, { stopped: false, statistics: statisticsOf(last, model.info.name, settings) });
  } catch (error) {
    await write(conversation.id, id, last, last.tokens > 0 ? { statistics: statisticsOf(last, model.info.name, settings) } : {});
    // Where the reader put another model in its place, that is no failure.
    if (!own.signal.aborted && engine.value === model) {
      answerProblem.value = { conversation: conversation.id, error };
      if (error instanceof DoranError && ENDS_ENGINE.has(error.code)) await unload();
    }
  } finally {
    running.value = undefined;
    await measureContext();
  }
}

/** Keeps what came of an answer, in the conversation as it is now, which another tab may have changed. */
async function write(conversation: string, turn: string, { text, reasoning, toolCalls }: Answer, more: Partial<Pick<Turn, "statistics" | "stopped">>): Promise<void> {
  const change = { content: text, ...(reasoning === "" ? {} : { reasoning }), ...(toolCalls.length === 0 ? {} : { toolCalls }), ...more };
  if (shown.value?.id === conversation && shown.value.turns.some(({ id }) => id === turn)) shown.value = updateTurn(shown.value, turn, change);
  await withStore(async (store) => {
    try {
      await store.update(conversation, (there) => updateTurn(there, turn, change));
    } catch (error) {
      // A conversation that was deleted meanwhile stays deleted.
      if (!(error instanceof StoreError && error.code === "missing")) throw error;
    }
  });
}

function statisticsOf({ tokens, tokensPerSecond, timeToFirstTokenMs, usage, finishReason }: Answer, model: string, settings: Statistics["settings"]): Statistics {
  return { tokens, promptTokens: usage?.prompt_tokens ?? 0, tokensPerSecond, timeToFirstTokenMs, model, settings, finishReason: finishReason ?? "aborted" };
}

/** Counts what the conversation takes of the context. */
export async function measureContext(): Promise<void> {
  const model = engine.value;
  if (model === undefined) {
    contextUsed.value = undefined;
    return;
  }
  const of = model.info.context;
  const messages = shown.value === undefined ? [] : messagesOf(shown.value);
  if (messages.length === 0 || model.info.chatTemplate === null) {
    contextUsed.value = { used: 0, of };
    return;
  }
  const plain = messages.map(({ role, content }) => ({ role, content: typeof content === "string" ? content : "" }));
  const used = await model.countTokens(plain, { addGenerationPrompt: false }).catch(() => 0);
  contextUsed.value = { used, of };
}
