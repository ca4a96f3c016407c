/** transformers.js (ONNX Runtime, on WebGPU or in WebAssembly) as a peer: the same steps as scripts/page/bench.js. */
import { AutoModelForCausalLM, AutoTokenizer, BaseStreamer, env, Tensor } from "./node_modules/@huggingface/transformers/dist/transformers.min.js";
import { ids, span } from "./measure.js";

/** Builds of ONNX Runtime. The library takes the first for both by itself, but that one gathers no rows of 8 bits on the CPU. */
const RUNTIMES = { webgpu: "ort-wasm-simd-threaded.asyncify", wasm: "ort-wasm-simd-threaded" };
env.allowRemoteModels = false;
env.allowLocalModels = true;

/** When the prompt was taken, and when each token came. */
class Clock extends BaseStreamer {
  times = [];
  put() { this.times.push(performance.now()); }
  end() {}
}

let model;

globalThis.bench = {
  async load({ url, device }) {
    const begun = performance.now();
    const at = url.lastIndexOf("/") + 1;
    env.localModelPath = url.slice(0, at);
    const runtime = new URL(`./node_modules/onnxruntime-web/dist/${RUNTIMES[device]}`, import.meta.url).href;
    // From here and not from a CDN.
    env.backends.onnx.wasm.wasmPaths = { mjs: `${runtime}.mjs`, wasm: `${runtime}.wasm` };
    if (device === "wasm") env.backends.onnx.wasm.numThreads = 1;
    // Prompts are ids; an application needs the tokenizer all the same.
    await AutoTokenizer.from_pretrained(url.slice(at));
    model = await AutoModelForCausalLM.from_pretrained(url.slice(at), { device, dtype: "q4" });
    return { loadMs: performance.now() - begun };
  },
  async speed({ promptTokens, decodeTokens }) {
    const tensor = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, promptTokens]);
    const clock = new Clock();
    const begun = performance.now();
    await model.generate({
      input_ids: tensor(ids(promptTokens, model.config.vocab_size)), attention_mask: tensor(Array(promptTokens).fill(1)),
      max_new_tokens: decodeTokens + 1, do_sample: false, eos_token_id: -1, streamer: clock,
    });
    const [, first] = clock.times;
    return span({
      promptTokens, decodeTokens, read: promptTokens, said: clock.times.length - 1, prefillMs: first - begun, decodeMs: clock.times.at(-1) - first,
    });
  },
  unload: () => model.dispose(),
};
