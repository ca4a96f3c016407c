/** Text by letters as readers count them: an emoji or a Korean syllable is one, however many code points it has. */

let segmenter: Intl.Segmenter | undefined;

/** The letters of a text, each with where it begins. */
export function letters(text: string): Iterable<Intl.SegmentData> {
  // Made at the first use: browsers that are told they are too old have none.
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** As many whole letters from the front as `fits` allows. */
export function cutWhere(text: string, fits: (front: string) => boolean): string {
  let front = "";
  for (const { segment } of letters(text)) {
    if (!fits(front + segment)) break;
    front += segment;
  }
  return front;
}
