/** The real engine on a tiny model: what `generate` and its neighbours promise. */
import { expect, greedyGolden, test } from "./fixture.js";

const MODEL = "/arch/llama/model-f32.gguf";
/** A prompt of seven ids and the sixteen that transformers gives after it (tests/fixtures/arch/llama/golden.json). */
const { prompt, ids: greedyIds } = greedyGolden("llama");

test("greedy text is the reference's, and a token costs one submit of one pass and creates nothing", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const input = Uint32Array.from(prompt);
    const options = { temperature: 0, maxTokens: 16, ignoreEos: true };
    const { ids } = await window.read(engine.generate(input, options));
    // Two answers that differ by ten tokens: what is left when one is taken from the other is ten tokens.
    const spent = async (maxTokens: number) => {
      const before = (await engine.stats()).counters;
      await window.read(engine.generate(input, { ...options, maxTokens }));
      const after = (await engine.stats()).counters;
      const earlier: Record<string, number> = { ...before };
      return Object.entries({ ...after }).map(([name, count]): [string, number] => [name, count - (earlier[name] ?? 0)]);
    };
    const long = await spent(15);
    const short = Object.fromEntries(await spent(5));
    const layers = (await engine.stats()).decodeDispatches.filter((label) => label.includes("rope_attention_combine")).length;
    const { pipelines } = (await engine.stats()).counters;
    await engine.unload();
    return { ids, layers, pipelines, ten: Object.fromEntries(long.map(([name, count]) => [name, count - (short[name] ?? 0)])) };
  }, { model: MODEL, prompt });
  expect(seen.ids).toEqual(greedyIds);
  const { dispatches, submits, passes, created, pipelines, bufferWrites, bytesWritten, readbackBytes, liveObjects, gpuBytes } = seen.ten;
  expect({ dispatches, submits, passes, created, pipelines, bufferWrites, bytesWritten, readbackBytes, liveObjects, gpuBytes }).toEqual({
    dispatches: 10 * (6 * seen.layers + 4), submits: 10, passes: 10, created: 0, pipelines: 0, bufferWrites: 0, bytesWritten: 0,
    readbackBytes: 160, liveObjects: 0, gpuBytes: 0,
  });
  expect(seen.layers).toBeGreaterThan(1);
  expect(seen.pipelines).toBeLessThanOrEqual(40);
});

test("greedy and drawn text is the same however far the GPU runs ahead, and when the CPU draws", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, prompt }) => {
    const texts = [];
    for (const runAhead of [0, 1, 4, undefined]) {
      const engine = await window.doran.Engine.load(model, runAhead === undefined ? {} : { runAhead });
      const run = async (options: object) => {
        const input = Uint32Array.from(prompt);
        return (await window.read(engine.generate(input, { maxTokens: 24, ignoreEos: true, seed: 3, ...options }))).ids;
      };
      texts.push([
        await run({ temperature: 0 }), await run({}), await run({ topK: 20, temperature: 0.9 }), await run({ topP: 0.5, frequencyPenalty: 0.5 }),
        ...(runAhead === 0 ? [await run({ temperature: 0, logprobs: true }), await run({ logprobs: true })] : []),
      ]);
      await engine.unload();
    }
    return texts;
  }, { model: MODEL, prompt });
  const [lag0, ...others] = seen;
  const onCpu = lag0?.splice(4);
  for (const texts of others) expect(texts).toEqual(lag0);
  expect(onCpu).toEqual(lag0?.slice(0, 2));
  expect(new Set(lag0?.map(String)).size).toBe(4);
});

test("a long prompt tells how far it is read, and what follows does not depend on how it was cut", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model }) => {
    const engine = await window.doran.Engine.load(model);
    const ids = Uint32Array.from({ length: 200 }, (_, i) => (i * 37) % 250);
    const told: { promptTokensDone: number; promptTokens: number }[] = [];
    const options = { temperature: 0, maxTokens: 8, ignoreEos: true };
    const whole = await window.read(engine.generate(ids, { ...options, onPrefill: (progress) => told.push(progress) }));
    // The same prompt, token by token: each call adds one to what the cache holds.
    const other = await window.doran.Engine.load(model);
    for (let n = 150; n < 200; n += 1) await window.read(other.generate(ids.slice(0, n), { ...options, maxTokens: 1 }));
    const pieces = await window.read(other.generate(ids, options));
    await engine.unload();
    await other.unload();
    return { told, whole: whole.ids, pieces: pieces.ids };
  }, { model: MODEL });
  expect(seen.told).toEqual([64, 128, 192].map((promptTokensDone) => ({ promptTokensDone, promptTokens: 200 })));
  expect(seen.pieces).toEqual(seen.whole);
});

test("a seed repeats an answer, another seed gives another, and options are obeyed", async ({ tiny }) => {
  const seen = await tiny.evaluate(async (prompt) => {
    const { engine } = window;
    const input = Uint32Array.from(prompt);
    const run = (options: object) => window.read(engine.generate(input, { maxTokens: 12, ignoreEos: true, ...options }));
    const result = {
      a: await run({ seed: 1 }), again: await run({ seed: 1 }), b: await run({ seed: 2 }),
      forced: await run({ temperature: 0, logitBias: { 42: 1000 } }),
      forbidden: await run({ temperature: 0, logitBias: { 100: -1e9 } }),
      allowed: await run({ allowedTokenIds: [7, 9, 40], topP: 0.9 }),
      top1: await run({ topK: 1 }), logprobs: await run({ logprobs: true, temperature: 0 }),
      penalised: await run({ temperature: 0, frequencyPenalty: 1e6 }),
      minP: await run({ minP: 1 }), topP: await run({ topP: 1e-6 }),
    };
    return result;
  }, prompt);
  expect(seen.again.ids).toEqual(seen.a.ids);
  expect(seen.b.ids).not.toEqual(seen.a.ids);
  expect(seen.forced.ids).toEqual(Array(12).fill(42));
  expect(seen.forbidden.ids[0]).not.toBe(100);
  expect(seen.allowed.ids.filter((id: number) => ![7, 9, 40].includes(id))).toEqual([]);
  for (const only of [seen.top1, seen.minP, seen.topP, seen.logprobs]) expect(only.ids).toEqual(greedyIds.slice(0, 12));
  expect(seen.logprobs.logprobs).toHaveLength(12);
  expect(Math.max(...seen.logprobs.logprobs)).toBeLessThanOrEqual(0);
  expect(new Set([...prompt, ...seen.penalised.ids]).size).toBe(prompt.length + 12);
  expect(seen.a.end).toMatchObject({ finishReason: "length", usage: { promptTokens: prompt.length, completionTokens: 12 } });
});

test("a stop string is not shown, and what stands before it is", async ({ tiny }) => {
  const seen = await tiny.evaluate(async (prompt) => {
    const { engine } = window;
    const input = Uint32Array.from(prompt);
    const options = { temperature: 0, maxTokens: 16, ignoreEos: true };
    const whole = await window.read(engine.generate(input, options));
    // From the middle of the text: it begins and ends inside tokens.
    const stop = whole.text.slice(5, 9);
    const stopped = await window.read(engine.generate(input, { ...options, stop: [stop] }));
    const streamed = await engine.detokenize(whole.ids);
    return { whole, stop, stopped, streamed };
  }, prompt);
  expect(seen.stop).toHaveLength(4);
  expect(seen.stopped.text).toBe(seen.whole.text.slice(0, seen.whole.text.indexOf(seen.stop)));
  expect(seen.stopped.end.finishReason).toBe("stop");
  expect(seen.streamed).toBe(seen.whole.text);
});

test("options out of range are refused by name, and the engine goes on", async ({ tiny }) => {
  const seen = await tiny.evaluate(async (prompt) => {
    const { engine } = window;
    const input = Uint32Array.from(prompt);
    const bad = [{ temperature: -1 }, { temperature: NaN }, { topP: 2 }, { minP: -0.1 }, { topK: -1 }, { seed: 1.5 }, { maxTokens: -3 },
      { repetitionPenalty: 0 }, { stop: [""] }, { logitBias: { 100000: 1 } },
      { allowedTokenIds: [100000] }];
    const codes = [];
    for (const options of bad) codes.push((await window.failure(window.read(engine.generate(input, options)))).code);
    const none = await window.failure(window.read(engine.generate(new Uint32Array(0))));
    const outside = await window.failure(window.read(engine.generate(Uint32Array.of(999_999))));
    const after = await window.read(engine.generate(input, { temperature: 0, maxTokens: 3, ignoreEos: true }));
    return { codes, none: none.code, outside: outside.code, after: after.ids };
  }, prompt);
  expect(seen.codes).toEqual(Array(11).fill("bad_argument"));
  expect([seen.none, seen.outside]).toEqual(["bad_argument", "bad_argument"]);
  expect(seen.after).toEqual(greedyIds.slice(0, 3));
});

test("a chat uses the cache of what it said before", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model }) => {
    const chatTemplate = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    const engine = await window.doran.Engine.load(model, { chatTemplate });
    const options = { temperature: 0, maxTokens: 8, ignoreEos: true };
    const first = [{ role: "user", content: "도란도란 hello" }];
    const one = await window.read(engine.generate(first, options));
    const same = await window.read(engine.generate(first, options));
    const longer = await engine.applyChatTemplate([...first, { role: "user", content: "more" }], { addGenerationPrompt: true });
    const promptIds = await engine.tokenize(await engine.applyChatTemplate(first, { addGenerationPrompt: true }), { addSpecialTokens: false });
    const longerIds = await engine.tokenize(longer, { addSpecialTokens: false });
    let common = 0;
    const cached = [...promptIds, ...same.ids.slice(0, -1)];
    while (common < longerIds.length - 1 && cached[common] === longerIds[common]) common += 1;
    const two = await window.read(engine.generate([...first, { role: "user", content: "more" }], options));
    const fresh = await window.doran.Engine.load(model, { chatTemplate });
    const alone = await window.read(fresh.generate([...first, { role: "user", content: "more" }], options));
    const counted = await engine.countTokens(first);
    await Promise.all([engine.unload(), fresh.unload()]);
    return { one, same, two, alone, common, promptTokens: promptIds.length, counted };
  }, { model: MODEL });
  expect(seen.one.end.usage.cachedTokens).toBe(0);
  expect(seen.same.end.usage.cachedTokens).toBe(seen.promptTokens - 1);
  expect(seen.same.ids).toEqual(seen.one.ids);
  expect(seen.common).toBeGreaterThan(0);
  expect(seen.two.end.usage.cachedTokens).toBe(seen.common);
  expect(seen.two.ids).toEqual(seen.alone.ids);
  expect(seen.counted).toBe(seen.promptTokens);
});

test("the context ends in a typed error or in finish reason length", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model }) => {
    const engine = await window.doran.Engine.load(model, { context: 32 });
    const input = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => 20 + i);
    const options = { temperature: 0, ignoreEos: true };
    const result = {
      full: await window.failure(window.read(engine.generate(input(32), options))),
      over: await window.failure(window.read(engine.generate(input(33), options))),
      last: await window.read(engine.generate(input(31), options)),
      some: await window.read(engine.generate(input(20), options)),
      tooLarge: await window.failure(window.doran.Engine.load(model, { context: 1_000_000 })),
    };
    await engine.unload();
    return result;
  }, { model: MODEL });
  expect(seen.full).toMatchObject({ code: "context_overflow", data: { needed: 33, context: 32 } });
  expect(seen.over.code).toBe("context_overflow");
  expect(seen.last).toMatchObject({ end: { finishReason: "length", usage: { totalTokens: 32 } } });
  expect(seen.some.end).toMatchObject({ finishReason: "length", usage: { totalTokens: 32 } });
  expect(seen.tooLarge.code).toBe("bad_argument");
});

test("calls take turns, breaking out and aborting free the engine, two engines run at once", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model);
    const other = await window.doran.Engine.load(model);
    const input = Uint32Array.from(prompt);
    const options = { temperature: 0, maxTokens: 16, ignoreEos: true };
    const order: number[] = [];
    const queued = await Promise.all([0, 1, 2].map(async (i) => {
      const answer = await window.read(engine.generate(input, options));
      order.push(i);
      return answer.ids;
    }));
    let broken = 0;
    for await (const item of engine.generate(input, { ...options, maxTokens: 200 })) if (item.finishReason === undefined && (broken += 1) === 3) break;
    const controller = new AbortController();
    let taken = 0;
    const aborted = await window.failure((async () => {
      for await (const item of engine.generate(input, { ...options, maxTokens: 200, signal: controller.signal })) {
        if (item.finishReason === undefined && (taken += 1) === 2) controller.abort(new DOMException("enough", "AbortError"));
      }
    })());
    const before = new AbortController();
    before.abort();
    const never = await window.failure(window.read(engine.generate(input, { ...options, signal: before.signal })));
    const loading = new AbortController();
    const load = window.failure(window.doran.Engine.load(`${model}?again`, { signal: loading.signal }));
    loading.abort();
    const [a, b] = await Promise.all([window.read(engine.generate(input, options)), window.read(other.generate(input, options))]);
    await engine.unload();
    const gone = await window.failure(window.read(engine.generate(input, options)));
    const still = await window.read(other.generate(input, options));
    await other.unload();
    return { queued, order, aborted, never: never.name, load: (await load).name, a: a.ids, b: b.ids, gone: gone.code, still: still.ids };
  }, { model: MODEL, prompt });
  expect(seen.queued).toEqual([greedyIds, greedyIds, greedyIds]);
  expect(seen.order).toEqual([0, 1, 2]);
  expect(seen.aborted).toMatchObject({ name: "AbortError", message: "enough" });
  expect([seen.never, seen.load]).toEqual(["AbortError", "AbortError"]);
  expect([seen.a, seen.b, seen.still]).toEqual([greedyIds, greedyIds, greedyIds]);
  expect(seen.gone).toBe("unloaded");
});

test("an abort ends a prefill, and the engine goes on", async ({ tiny }) => {
  const seen = await tiny.evaluate(async (prompt) => {
    const { engine } = window;
    const long = Uint32Array.from({ length: 250 }, (_, i) => 10 + (i % 300));
    const controller = new AbortController();
    const answer = window.failure(window.read(engine.generate(long, { maxTokens: 4, signal: controller.signal })));
    setTimeout(() => controller.abort(), 1);
    const aborted = await answer;
    const after = await window.read(engine.generate(Uint32Array.from(prompt), { temperature: 0, maxTokens: 16, ignoreEos: true }));
    return { name: aborted.name, ids: after.ids };
  }, prompt);
  expect(seen.name).toBe("AbortError");
  expect(seen.ids).toEqual(greedyIds);
});

test("unloading frees every GPU buffer, time after time", async ({ doran }) => {
  const counts = await doran.evaluate(async (model) => {
    const ask = (): Promise<number> => new Promise((resolve) => {
      const answers = new BroadcastChannel("live-answers");
      answers.onmessage = ({ data }: MessageEvent<number>) => { answers.close(); resolve(data); };
      const questions = new BroadcastChannel("live-buffers");
      questions.postMessage("count");
      questions.close();
    });
    const worker = new Worker("/counting.js", { type: "module" });
    const terminate = worker.terminate.bind(worker);
    // The page ends the worker on unload; here it must live to be asked.
    worker.terminate = () => undefined;
    const engine = await window.doran.Engine.load(model, { createWorker: () => worker });
    await window.read(engine.generate(Uint32Array.of(1, 2, 3), { maxTokens: 4 }));
    const loaded = await ask();
    await engine.unload();
    const left = await ask();
    terminate();
    return { loaded, left };
  }, MODEL);
  expect(counts.loaded).toBeGreaterThan(20);
  expect(counts.left).toBe(0);
});

test("the references give the same text", async ({ doran }) => {
  const ids = await doran.evaluate(async ({ model, prompt }) => {
    const engine = await window.doran.Engine.load(model, { backend: "reference" });
    const { ids } = await window.read(engine.generate(Uint32Array.from(prompt), { temperature: 0, maxTokens: 16, ignoreEos: true }));
    await engine.unload();
    return ids;
  }, { model: MODEL, prompt });
  expect(ids).toEqual(greedyIds);
});
