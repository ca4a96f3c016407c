/** The page of `npm run eval`: a user of the public API that answers requests, one at a time. */
import { Engine } from "/pkg/dist/index.js";

let engine;
/** What the model that is loaded was loaded from. */
let loadedFrom;
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const snaked = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [snake(name), value]));
const problem = (error) => ({ code: error?.code ?? "internal", message: String(error?.message ?? error) });

/** Which counters `bench` reports, under the names of the results file. */
const COUNTS = ["dispatches", "passes", "submits", "created", "bufferWrites", "bytesWritten", "readbackBytes", "weightBytesRead", "kvBytesRead"];

const absolute = (url) => new URL(url, location.href);
const sourceOf = ({ url, files }) => (files === undefined ? absolute(url) : { files: files.map((file) => ({ ...file, url: absolute(file.url) })) });

async function load(source, options) {
  await engine?.unload().catch(() => undefined);
  engine = await Engine.load(sourceOf(source), options);
  loadedFrom = { source: sourceOf(source), options };
  const { adapter = null, load: facts, warnings, ...model } = engine.info;
  return {
    load: {
      ms: facts.ms, bytes_downloaded: facts.bytesDownloaded, peak_wasm_bytes_grown: facts.peakWasmBytesGrown,
      tokenizer_bytes: facts.tokenizerBytes, gpu_bytes: facts.gpuBytes, from_store: facts.bytesFromStore > 0,
    },
    adapter, model, warnings,
  };
}

/** Reads an answer to its end. */
async function read(input, options) {
  const begun = performance.now();
  const ids = [];
  let text = "";
  let finish;
  let firstMs = 0;
  let lastMs = 0;
  for await (const item of engine.generate(input, options)) {
    text += item.text;
    if (item.finishReason !== undefined) finish = item;
    else {
      ids.push(item.id);
      lastMs = performance.now() - begun;
      if (ids.length === 1) firstMs = lastMs;
    }
  }
  return { ids, text, finish, firstMs, lastMs };
}

/** Ids that no earlier run began with, so that nothing of the KV cache is used again. */
function benchPrompt(length, run) {
  let state = (run + 1) * 2654435761;
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % engine.info.vocabSize;
  });
}

async function countersOf(work) {
  const before = (await engine.stats()).counters;
  await work();
  const after = (await engine.stats()).counters;
  return Object.fromEntries(COUNTS.map((name) => [name, after[name] - before[name]]));
}

/** Counts by difference (which also warms up), then times. The first token belongs to the prefill. */
async function bench({ prompt_tokens: promptTokens, decode_tokens: decodeTokens, runs }) {
  const options = (maxTokens) => ({ temperature: 0, ignoreEos: true, maxTokens });
  const prefill = await countersOf(() => read(benchPrompt(promptTokens, -3), options(1)));
  const both = await countersOf(() => read(benchPrompt(promptTokens, -2), options(1 + decodeTokens)));
  const decode = Object.fromEntries(COUNTS.map((name) => [name, decodeTokens > 0 ? (both[name] - prefill[name]) / decodeTokens : 0]));
  const timed = [];
  for (let run = 0; run < runs; run += 1) {
    const { ids, finish, firstMs, lastMs } = await read(benchPrompt(promptTokens, run), options(1 + decodeTokens));
    timed.push({
      ttft_ms: firstMs,
      prefill_tps: promptTokens / ((finish.usage.prefillMs || firstMs) / 1000),
      decode_tps: ids.length > 1 ? (ids.length - 1) / ((lastMs - firstMs) / 1000) : 0,
    });
  }
  return { runs: timed, counts: { decode: snaked(decode), prefill: snaked(prefill) } };
}

const ids = (list) => Uint32Array.from(list);
const KINDS = {
  async logits({ input_ids, decoder_input_ids }) {
    // An encoder has none: it says what the text comes to.
    if (engine.info.kind === "encoder") {
      const pooled = async (pooling) => [...(await engine.embed([ids(input_ids)], { pooling }))[0]];
      return { mean_pool: await pooled("mean"), cls_pool: await pooled("cls") };
    }
    const options = decoder_input_ids === undefined ? {} : { answer: ids(decoder_input_ids) };
    const { lastLogits, top1 } = await engine.logits(ids(input_ids), options);
    const answer = { last_logits: [...lastLogits], top1: [...top1] };
    if (decoder_input_ids === undefined) return answer;
    const first = await engine.logits(ids(input_ids), { answer: ids(decoder_input_ids.slice(0, 1)) });
    return { ...answer, first_logits: [...first.lastLogits] };
  },
  async greedy({ input_ids, max_new_tokens }) {
    const answer = await read(ids(input_ids), { temperature: 0, ignoreEos: true, maxTokens: max_new_tokens });
    return { output_ids: answer.ids };
  },
  async nll({ input_ids }) {
    return { nll: [...await engine.nll(ids(input_ids))] };
  },
  async embed({ texts, pooling, normalize }) {
    const rows = await engine.embed(texts, { ...(pooling === undefined ? {} : { pooling }), ...(normalize === undefined ? {} : { normalize }) });
    return { embeddings: rows.map((row) => [...row]) };
  },
  async tokenize({ text, add_special_tokens }) {
    return { ids: [...await engine.tokenize(text, { addSpecialTokens: add_special_tokens ?? true })] };
  },
  async detokenize(request) {
    return { text: await engine.detokenize(ids(request.ids)) };
  },
  async chat_template({ messages, add_generation_prompt }) {
    return { text: await engine.applyChatTemplate(messages, { addGenerationPrompt: add_generation_prompt ?? true }) };
  },
  async chat({ messages, max_tokens, temperature, seed }) {
    const { text, finish } = await read(messages, {
      ...(max_tokens === undefined ? {} : { maxTokens: max_tokens }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(seed === undefined ? {} : { seed }),
    });
    return { text, finish_reason: finish.finishReason, usage: snaked(finish.usage) };
  },
  // What the headers say beside what the load took.
  async inspect() {
    return { inspection: await Engine.inspect(loadedFrom.source, loadedFrom.options), gpu_bytes: engine.info.load.gpuBytes };
  },
  bench,
};

window.evaluation = {
  load: (source, options) => load(source, options).catch((error) => ({ load_error: problem(error) })),
  async answer(request) {
    try {
      if (!Object.hasOwn(KINDS, request.kind)) return { error: { code: "bad_argument", message: `there is no request of kind ${request.kind}` } };
      return await KINDS[request.kind](request);
    } catch (error) {
      return { error: problem(error) };
    }
  },
};
