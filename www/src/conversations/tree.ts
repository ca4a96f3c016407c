/**
 * Reading and changing the tree of turns. Everything is pure: a change gives a new conversation and shares what is the same.
 * A turn that is not there is a bug of the caller, and a `RangeError`.
 */
import { cutWhere } from "./letters.js";
import { ROOT, type ChatSettings, type Conversation, type Turn } from "./types.js";

/** What a new turn says; the rest is given to it. */
export type NewTurn = Omit<Turn, "id" | "parent" | "created">;

/** What may change of a turn that is there. */
export type TurnChange = Partial<Omit<Turn, "id" | "parent" | "role" | "created">>;

const TITLE_LENGTH = 60;

/** A random id: 128 bits, also where `crypto.randomUUID` is kept from insecure pages. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A conversation without turns. */
export function newConversation(model: string | null = null, settings: ChatSettings = {}, now: number = Date.now()): Conversation {
  return { id: newId(), title: "", titledByHand: false, created: now, updated: now, model, settings, turns: [], chosen: {} };
}

function turnOf(conversation: Conversation, id: string): Turn {
  const found = conversation.turns.find((turn) => turn.id === id);
  if (found === undefined) throw new RangeError(`the conversation has no turn ${id}`);
  return found;
}

function childrenOf(turns: readonly Turn[], parent: string | null): readonly Turn[] {
  return turns.filter((turn) => turn.parent === parent);
}

/** The turns from the first to the active leaf: what is shown, and what a model is given. */
export function path(conversation: Conversation): readonly Turn[] {
  const shown = new Map<string, Turn>();
  for (const turn of conversation.turns) {
    const key = turn.parent ?? ROOT;
    const wanted = Object.hasOwn(conversation.chosen, key) ? conversation.chosen[key] : undefined;
    if (wanted === undefined || turn.id === wanted) shown.set(key, turn);
  }
  const way: Turn[] = [];
  for (let turn = shown.get(ROOT); turn !== undefined; turn = shown.get(turn.id)) way.push(turn);
  return way;
}

/** The last turn of `path`. */
export function leaf(conversation: Conversation): Turn | undefined {
  return path(conversation).at(-1);
}

function append(conversation: Conversation, parent: string | null, turn: NewTurn, now: number): Conversation {
  const id = newId();
  return {
    ...conversation,
    updated: now,
    turns: [...conversation.turns, { ...turn, id, parent, created: now }],
    chosen: { ...conversation.chosen, [parent ?? ROOT]: id },
  };
}

/** A turn after the active leaf; it is the leaf then. */
export function addTurn(conversation: Conversation, turn: NewTurn, now: number = Date.now()): Conversation {
  return append(conversation, leaf(conversation)?.id ?? null, turn, now);
}

/** Other words in a turn that stays where it is, such as an answer that grows. */
export function updateTurn(conversation: Conversation, id: string, change: TurnChange, now: number = Date.now()): Conversation {
  turnOf(conversation, id);
  return { ...conversation, updated: now, turns: conversation.turns.map((turn) => turn.id === id ? { ...turn, ...change } : turn) };
}

/** The turns that stand in one place, the oldest first, and which of them this is. */
export function siblings(conversation: Conversation, id: string): { readonly turns: readonly Turn[]; readonly index: number } {
  const turns = childrenOf(conversation.turns, turnOf(conversation, id).parent);
  return { turns, index: turns.findIndex((turn) => turn.id === id) };
}

/** Shows a turn, by choosing it and all before it; below it, what was chosen last. */
export function choose(conversation: Conversation, id: string): Conversation {
  const chosen = { ...conversation.chosen };
  for (let turn: Turn | undefined = turnOf(conversation, id); turn !== undefined;) {
    const { parent }: Turn = turn;
    chosen[parent ?? ROOT] = turn.id;
    turn = parent === null ? undefined : turnOf(conversation, parent);
  }
  return { ...conversation, chosen };
}

/** A turn of the same role with other words, beside the one that is edited; it is the leaf then. */
export function edit(conversation: Conversation, id: string, content: string, now: number = Date.now()): Conversation {
  const { parent, role } = turnOf(conversation, id);
  return append(choose(conversation, id), parent, { role, content }, now);
}

/** An empty answer beside one that is there; it is the leaf then, and waits for its words. */
export function regenerate(conversation: Conversation, id: string, now: number = Date.now()): Conversation {
  const { parent, role } = turnOf(conversation, id);
  if (role !== "assistant") throw new RangeError(`turn ${id} is no answer`);
  return append(choose(conversation, id), parent, { role, content: "" }, now);
}

/** Takes away a turn and all that follows it. The sibling before it is shown in its place, or the one after it. */
export function remove(conversation: Conversation, id: string, now: number = Date.now()): Conversation {
  const { parent } = turnOf(conversation, id);
  const { turns: beside, index } = siblings(conversation, id);
  const gone = new Set([id]);
  for (const turn of conversation.turns) {
    if (turn.parent !== null && gone.has(turn.parent)) gone.add(turn.id);
  }
  const kept = Object.entries(conversation.chosen).filter(([from, to]) => !gone.has(from) && !gone.has(to));
  const next = beside[index - 1] ?? beside[index + 1];
  const chosen: Record<string, string> = Object.fromEntries(kept);
  if (next !== undefined && !Object.hasOwn(chosen, parent ?? ROOT)) chosen[parent ?? ROOT] = next.id;
  return { ...conversation, updated: now, turns: conversation.turns.filter((turn) => !gone.has(turn.id)), chosen };
}

/** The conversation with its title: the reader's, or one that is made from its first words unless the reader gave one. */
export function withTitle(conversation: Conversation, title: string, byHand: boolean): Conversation {
  if (conversation.titledByHand && !byHand) return conversation;
  return { ...conversation, title, titledByHand: byHand };
}

/** A short title from the first line of a text, cut between words where there are any. */
export function titleFrom(text: string): string {
  const line = text.split("\n").map((part) => part.replace(/^[#>*\-\s]+/, "").trim()).find((part) => part !== "") ?? "";
  if (line.length <= TITLE_LENGTH) return line;
  const cut = cutWhere(line, (front) => front.length < TITLE_LENGTH);
  const space = line[cut.length] === " " ? cut.length : cut.lastIndexOf(" ");
  return `${space > TITLE_LENGTH / 2 ? cut.slice(0, space) : cut}…`;
}
