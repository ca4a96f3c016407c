/** What the pages of these tests have: both rooms, as views import them. */
import * as conversations from "../../www/src/conversations/index.js";
import * as markdown from "../../www/src/markdown/index.js";
import { sanitise } from "../../www/src/markdown/sanitise.js";

declare global {
  interface Window {
    conversations: typeof conversations;
    markdown: typeof markdown;
    sanitise: typeof sanitise;
    /** What a test keeps from one look at the page to the next. */
    store?: conversations.ConversationStore;
    opening?: Promise<number>;
    heard?: conversations.Change[];
    stream?: markdown.StreamingMarkdown;
    /** The code of the error that a promise rejects with. */
    codeOf: (promise: Promise<unknown>) => Promise<string>;
  }
}

window.conversations = conversations;
window.markdown = markdown;
window.sanitise = sanitise;
window.codeOf = (promise) => promise.then(
  () => "none",
  (error: unknown) => error instanceof conversations.StoreError ? error.code : String(error),
);
document.title = "ready";
