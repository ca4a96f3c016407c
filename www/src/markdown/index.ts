/** The room of Markdown: a model's text as safe elements, whole or while it comes. Views import from here only. */
export { highlight, prepare } from "./highlight.js";
export type { MarkdownOptions, MarkdownWords } from "./html.js";
export { render } from "./render.js";
export { StreamingMarkdown, type StreamOptions } from "./stream.js";
