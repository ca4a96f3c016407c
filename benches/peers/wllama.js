/** wllama (llama.cpp in WebAssembly, on the CPU) as a peer: the same steps as scripts/page/bench.js. */
import { Wllama } from "./node_modules/@wllama/wllama/esm/index.min.js";
import { digits, span } from "./measure.js";

const WASM = new URL("./node_modules/@wllama/wllama/esm/wasm/wllama.wasm", import.meta.url).href;
const silent = () => {};

let wllama;

globalThis.bench = {
  async load({ url, threads }) {
    const begun = performance.now();
    wllama = new Wllama({ default: WASM }, { logger: { debug: silent, log: silent, warn: silent, error: console.error } });
    // Otherwise some browsers would fetch another build from a CDN.
    wllama.setCompat(null);
    await wllama.loadModelFromUrl(new URL(url, location.href).href, { n_ctx: 1024, n_gpu_layers: 0, n_threads: threads });
    const loadMs = performance.now() - begun;
    if (wllama.getNumThreads() !== threads) throw new Error(`it runs on ${wllama.getNumThreads()} threads`);
    return { loadMs };
  },
  async speed({ promptTokens, decodeTokens }) {
    const answer = await wllama.createCompletion({
      prompt: digits(promptTokens), max_tokens: decodeTokens + 1, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false, stream: false,
    });
    // llama.cpp's own clock: pieces of text do not come one a token.
    const { prompt_n: read, prompt_ms: prefillMs, predicted_n: said, predicted_ms: decodeMs } = answer.timings;
    return span({ promptTokens, decodeTokens, read, said, prefillMs, decodeMs });
  },
  unload: () => wllama.exit(),
};
