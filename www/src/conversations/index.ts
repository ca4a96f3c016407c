/** The room of conversations: its model, its store, its files. Views import from here only. */
export type { Change, Listener } from "./changes.js";
export { StoreError, type StoreErrorCode } from "./errors.js";
export { fileName, fromJson, toJson, toMarkdown, type Imported, type ImportProblem, type MarkdownWords } from "./export.js";
export type { Found, Hit, Snippet } from "./search.js";
export { openConversations, type ConversationStore, type StoreOptions } from "./store.js";
export {
  addTurn, choose, edit, leaf, newConversation, path, regenerate, remove, siblings, titleFrom, updateTurn, withTitle, type NewTurn, type TurnChange,
} from "./tree.js";
export type { ChatSettings, Conversation, Role, Statistics, Summary, ToolCall, Turn } from "./types.js";
