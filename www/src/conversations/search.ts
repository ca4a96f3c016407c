/**
 * Finding words in conversations. Case, width and composition do not matter ("ＡＢＣ", "abc"; 한 in one code point or in three),
 * and a match is told in the text as it was written.
 */
import { letters } from "./letters.js";
import { summaryOf, type Conversation, type Summary } from "./types.js";

/** A piece of text around a match: `text.slice(start, end)` is the match. Cuts are at whole letters and are not marked. */
export interface Snippet {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Whether text was left out at the front and at the back. */
  readonly cutBefore: boolean;
  readonly cutAfter: boolean;
}

/** `turn` is `null` for a match in the title. */
export interface Hit {
  readonly turn: string | null;
  readonly snippet: Snippet;
}

/** A conversation with a match, and the first few of its matches: one a turn. */
export interface Found {
  readonly conversation: Summary;
  readonly hits: readonly Hit[];
}

/** Letters of a snippet before the match, and after it. */
const [BEFORE, AFTER] = [30, 70];
const MOST_HITS = 3;

/** The form in which texts are compared, of a letter or of a whole text; space of any kind and length is one space. */
function fold(letter: string): string {
  return letter.normalize("NFKC").toLowerCase().replaceAll("ς", "σ").replace(/\s+/g, " ");
}

/** The letters of a text, with where each begins in the text and in its folded form. */
function foldAll(text: string): { readonly folded: string; readonly begins: readonly number[]; readonly places: readonly number[] } {
  let folded = "";
  const begins: number[] = [];
  const places: number[] = [];
  for (const { segment, index } of letters(text)) {
    const letter = fold(segment);
    begins.push(index);
    places.push(folded.length);
    if (letter !== " " || !folded.endsWith(" ")) folded += letter;
  }
  return { folded, begins, places };
}

/** What to look for: the query folded, without space around it. Empty finds nothing. */
export function needleOf(query: string): string {
  return foldAll(query.trim()).folded;
}

/** The first match in a text. */
export function findIn(text: string, needle: string): Snippet | undefined {
  // A look at the whole is quick; letters are looked at only where there is a match.
  if (needle === "" || !fold(text).includes(needle)) return undefined;
  const { folded, begins, places } = foldAll(text);
  const at = folded.indexOf(needle);
  if (at < 0) return undefined;
  const beyond = places.findIndex((place) => place > at);
  const first = (beyond < 0 ? places.length : beyond) - 1;
  const after = places.findIndex((place) => place >= at + needle.length);
  const last = after < 0 ? begins.length : after;
  const position = (letter: number): number => begins[letter] ?? text.length;
  const [from, to] = [Math.max(0, first - BEFORE), Math.min(begins.length, last + AFTER)];
  const [left, right] = [position(from), position(to)];
  return {
    text: text.slice(left, right), start: position(first) - left, end: position(last) - left,
    cutBefore: left > 0, cutAfter: right < text.length,
  };
}

/** The matches in a conversation's title and in all its turns, also in branches that are not shown. */
export function searchIn(conversation: Conversation, needle: string): Found | undefined {
  const hits: Hit[] = [];
  const look = (turn: string | null, text: string): void => {
    const snippet = hits.length < MOST_HITS ? findIn(text, needle) : undefined;
    if (snippet !== undefined) hits.push({ turn, snippet });
  };
  look(null, conversation.title);
  for (const { id, content } of conversation.turns) look(id, content);
  return hits.length === 0 ? undefined : { conversation: summaryOf(conversation), hits };
}
