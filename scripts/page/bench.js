/** The page of `npm run bench`: measures the adapter and the package, one step a call, so that steps can be interleaved. */
import { Engine } from "/pkg/dist/index.js";
import { measureCeilings } from "/pkg/dist/probe.js";

let engine;
let run = 0;

/** Ids that no earlier run began with, so that nothing of the KV cache is used again. */
function prompt(length) {
  run += 1;
  let state = Math.imul(run, 2654435761);
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % engine.info.vocabSize;
  });
}

async function answer(input, maxTokens) {
  for await (const item of engine.generate(input, { temperature: 0, ignoreEos: true, maxTokens })) {
    if (item.finishReason !== undefined) return item.usage;
  }
  throw new Error("the answer has no end");
}

const difference = (after, before) => Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name]]));

globalThis.bench = {
  ceilings: () => measureCeilings(),
  async load(source) {
    const begun = performance.now();
    engine = await Engine.load(source);
    return { ms: performance.now() - begun, info: { ...engine.info, load: { ...engine.info.load } } };
  },
  /** A prompt and so many tokens after it; the first token belongs to the prompt. */
  async speed({ promptTokens, decodeTokens }) {
    const before = (await engine.stats()).counters;
    const usage = await answer(prompt(promptTokens), decodeTokens + 1);
    const counts = difference((await engine.stats()).counters, before);
    return {
      prefillTps: promptTokens / (usage.prefillMs / 1000),
      ...(decodeTokens === 0 ? {} : { decodeTps: decodeTokens / (usage.decodeMs / 1000) }),
      counts,
    };
  },
  profile: (context) => engine.profile({ context }),
  stats: () => engine.stats(),
  unload: () => engine.unload(),
};
