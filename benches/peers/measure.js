/** What the pages of the peers share: prompts, and how times become speeds. */
let run = 0;

/** Ids that no earlier prompt of this page began with, as scripts/page/bench.js draws them: no cache helps. */
export function ids(length, vocabSize) {
  run += 1;
  let state = Math.imul(run, 2654435761);
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // The high bits: the low ones of such a generator repeat soon.
    return (state >>> 8) % vocabSize;
  });
}

/** The same as text, for a package that takes nothing else: most tokenizers have a token for each digit. */
export const digits = (length) => ids(length, 10).join("");

/** Speeds of a prompt and so many tokens after it; the first token belongs to the prompt. Throws where the peer did something else. */
export function span({ promptTokens, decodeTokens, read, said, prefillMs, decodeMs }) {
  // A token that begins a text may come on top.
  if (read < promptTokens || read > promptTokens + 1) throw new Error(`it read ${read} tokens, not ${promptTokens}`);
  if (said !== decodeTokens + 1) throw new Error(`it said ${said} tokens, not ${decodeTokens + 1}`);
  return {
    prefillTps: read / (prefillMs / 1000),
    ...(decodeTokens === 0 ? {} : { decodeTps: decodeTokens / (decodeMs / 1000) }),
  };
}
