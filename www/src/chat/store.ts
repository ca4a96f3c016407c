/** The conversations of this browser as the views see them: opened once, told anew with each change, here or in another tab. */
import { signal } from "@preact/signals";
import { openConversations, StoreError, withTitle, type Conversation, type ConversationStore, type Summary } from "../conversations/index.js";

/** All conversations, the newest first. */
export const summaries = signal<readonly Summary[]>([]);
/** The one that is shown; one that nothing was said in is not stored. */
export const shown = signal<Conversation | undefined>(undefined);
/** Why conversations cannot be read or kept; they live in memory then. */
export const storeProblem = signal<unknown>(undefined);
/** Whether they outlive the page. */
export const kept = signal(true);

let opened: Promise<ConversationStore> | undefined;

/** The store, opened at the first call. */
export function conversations(): Promise<ConversationStore> {
  opened ??= open();
  return opened;
}

async function open(): Promise<ConversationStore> {
  const store = await openConversations({ onBlocked: () => { storeProblem.value = new StoreError("closed", "another tab holds an older version of the conversations"); } });
  storeProblem.value = undefined;
  kept.value = store.kept;
  store.onChange((change) => {
    void refresh(store);
    if (change.kind === "closed") opened = undefined;
    // What could be written shows that there is room again.
    else if (!change.elsewhere) storeProblem.value = undefined;
    if (change.kind === "wiped" || (change.kind === "deleted" && change.id === shown.value?.id)) shown.value = undefined;
    if (change.kind === "put" && change.elsewhere && change.id === shown.value?.id) void show(change.id);
  });
  await refresh(store);
  return store;
}

async function refresh(store: ConversationStore): Promise<void> {
  summaries.value = await store.list();
}

/** Shows a stored conversation. */
export async function show(id: string): Promise<void> {
  await withStore(async (store) => { shown.value = await store.get(id); });
}

/** Does something with the store; what fails is shown. */
export async function withStore<T>(work: (store: ConversationStore) => Promise<T>): Promise<T | undefined> {
  try {
    return await work(await conversations());
  } catch (error) {
    storeProblem.value = error;
    return undefined;
  }
}

/** Gives a conversation the reader's title. */
export async function rename(id: string, title: string): Promise<void> {
  await withStore(async (store) => {
    await store.rename(id, title);
    // What is shown is written again with the next message.
    if (shown.value?.id === id) shown.value = withTitle(shown.value, title, true);
  });
}

/** Shows a changed conversation, and keeps it. */
export async function keep(conversation: Conversation): Promise<void> {
  shown.value = conversation;
  await withStore((store) => store.put(conversation));
}
