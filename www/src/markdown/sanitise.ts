/**
 * The second wall: only these elements and attributes reach the page, whatever Markdown was made into. None of them loads,
 * leads anywhere, runs or is styled by the text, and none has an id.
 */
import DOMPurify from "dompurify";

const TAGS = [
  "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "em", "strong", "s", "code", "pre", "span", "div",
  "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "button",
];
/** `class` and the others come from the renderer only: Markdown itself has no attributes. */
const ATTRIBUTES = ["class", "start", "type", "data-copy", "tabindex"];

/** HTML text as elements that may stand in the page. */
export function sanitise(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    ALLOWED_NAMESPACES: ["http://www.w3.org/1999/xhtml"], RETURN_DOM_FRAGMENT: true,
  });
}
