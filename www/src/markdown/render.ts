/** A whole Markdown text as elements that may stand in the page. */
import { toHtml, type MarkdownOptions } from "./html.js";
import { sanitise } from "./sanitise.js";

/** Renders a text; its code is plain until `highlight` is called on where it stands. */
export function render(text: string, options: MarkdownOptions): DocumentFragment {
  return sanitise(toHtml(text, options));
}
