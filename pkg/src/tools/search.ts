/** Finding markers in text of which more may come. */

/** What is known of a text. */
export interface Found {
  /** Text before anything that is or may become a marker. */
  readonly before: string;
  /** The marker that follows. */
  readonly marker: string | undefined;
  /** Characters of `before`, of whitespace and of the marker. */
  readonly end: number;
}

/**
 * Looks for the first of some markers. Whitespace in front of a marker counts as its part: templates write it of their own. What may
 * become a marker when more text comes is not in `before`; with `ended` nothing more comes.
 */
export function search(text: string, markers: readonly string[], ended: boolean): Found {
  for (let at = 0; at < text.length || at === 0;) {
    const gap = /\s*/y;
    gap.lastIndex = at;
    gap.exec(text);
    const start = gap.lastIndex;
    const marker = markers.find((marker) => text.startsWith(marker, start));
    if (marker !== undefined) return { before: text.slice(0, at), marker, end: start + marker.length };
    const rest = text.length - start;
    if (!ended && markers.some((marker) => rest < marker.length && text.endsWith(marker.slice(0, rest)))) {
      return { before: text.slice(0, at), marker: undefined, end: at };
    }
    at = start > at ? start : at + 1;
  }
  return { before: text, marker: undefined, end: text.length };
}
