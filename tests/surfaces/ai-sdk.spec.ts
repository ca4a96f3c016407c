/** The AI SDK's own functions over an engine, bundled: texts, streams, structured output, tools, embeddings, and what is only a warning. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, SMOLLM2, TEMPLATE, test, TINY, TINY_ENCODER } from "./fixture.js";

/** A chat template with tools, in the syntax that most models have. */
const TOOL_TEMPLATE = readFileSync(join(ROOT, "tests/fixtures/tools/hermes.jinja"), "utf8");

test("a real model answers by generateText and streamText, with usage", async ({ app }) => {
  const said = await app.evaluate(async (source) => {
    const { doran, createDoran, ai } = window.surfaces;
    const engine = await doran.Engine.load(source);
    const provider = createDoran(engine);
    const whole = await ai.generateText({ model: provider(), prompt: "What is the capital of France?", temperature: 0, maxOutputTokens: 12 });
    const stream = ai.streamText({ model: provider.languageModel(), prompt: "What is the capital of France?", temperature: 0, maxOutputTokens: 12 });
    const deltas: string[] = [];
    for await (const delta of stream.textStream) deltas.push(delta);
    const kinds: string[] = [];
    for await (const { type } of ai.streamText({ model: provider(), prompt: "Hi", temperature: 0, maxOutputTokens: 3 }).stream) if (kinds.at(-1) !== type) kinds.push(type);
    const ids = await engine.tokenize(whole.text, { addSpecialTokens: false });
    return {
      text: whole.text, reason: whole.finishReason, usage: whole.usage, warnings: whole.warnings, modelId: whole.finalStep.response.modelId, name: engine.info.name,
      same: deltas.join("") === whole.text, deltas: deltas.length, streamed: await stream.usage, kinds, tokens: ids.length,
      prompt: await engine.countTokens([{ role: "user", content: "What is the capital of France?" }]),
    };
  }, SMOLLM2);
  expect(said.text).toContain("Paris");
  expect(said).toMatchObject({ warnings: [], modelId: said.name, same: true, kinds: ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"] });
  expect(said.deltas).toBeGreaterThan(3);
  expect(said.usage).toMatchObject({ inputTokens: said.prompt, outputTokenDetails: { reasoningTokens: 0 } });
  // The end token is counted, where the answer reached it.
  expect([said.tokens, said.tokens + 1]).toContain(said.usage.outputTokens);
  // The second question is the first again: its prompt was still in the cache, but for the token that has to be read anew.
  expect(said.streamed.inputTokenDetails).toEqual({ noCacheTokens: 1, cacheReadTokens: said.prompt - 1, cacheWriteTokens: undefined });
});

test("structured output is what its schema says, streamed too", async ({ app }) => {
  const said = await app.evaluate(async (source) => {
    const { doran, createDoran, ai, z } = window.surfaces;
    const model = createDoran(doran.Engine.load(source))();
    const schema = z.object({ city: z.string().max(20), kind: z.enum(["capital", "village"]), people: z.number().int().min(0).max(99) });
    const ask = { model, output: ai.Output.object({ schema }), prompt: "Paris, as JSON", temperature: 0, maxOutputTokens: 120 } as const;
    const { output } = await ai.generateText(ask);
    const stream = ai.streamText(ask);
    let partials = 0;
    for await (const partial of stream.partialOutputStream) partials += Object.keys(partial).length;
    return { output, valid: schema.safeParse(output).success, same: JSON.stringify(await stream.output) === JSON.stringify(output), partials };
  }, SMOLLM2);
  expect(said).toMatchObject({ valid: true, same: true });
  expect(said.partials).toBeGreaterThan(3);
});

test("tools are called with arguments of their schema, and the answer goes on with what they gave", async ({ app }) => {
  const said = await app.evaluate(async ({ source, chatTemplate }) => {
    const { doran, createDoran, ai, z } = window.surfaces;
    const engine = await doran.Engine.load(source, { chatTemplate });
    const called: { city: string }[] = [];
    const inputSchema = z.object({ city: z.enum(["Paris", "Seoul"]) });
    const weather = ai.tool({
      description: "The weather of a city", inputSchema,
      execute: (input) => {
        called.push(input);
        return { degrees: 21 };
      },
    });
    const ask = {
      model: createDoran(engine)(), tools: { weather }, prompt: "What is the weather in Paris?", temperature: 0, maxOutputTokens: 60,
      // The first step must call; the second is free to answer.
      stopWhen: ai.stepCountIs(2), prepareStep: ({ stepNumber }: { stepNumber: number }) => ({ toolChoice: stepNumber === 0 ? "required" as const : "none" as const }),
    };
    const { steps, text } = await ai.generateText(ask);
    const kinds: string[] = [];
    // One answer may have several calls.
    const inputs = new Map<string, string>();
    const generated = called.length;
    for await (const part of ai.streamText({ ...ask, stopWhen: ai.stepCountIs(1) }).stream) {
      if (!kinds.includes(part.type)) kinds.push(part.type);
      if (part.type === "tool-input-delta") inputs.set(part.id, (inputs.get(part.id) ?? "") + part.delta);
    }
    const streamed = [...inputs.values()].map((input): unknown => JSON.parse(input));
    return {
      called: called.slice(0, generated), calledAgain: called.slice(generated), reasons: steps.map(({ finishReason }) => finishReason), calls: steps[0]?.toolCalls.map(({ toolName, input }) => ({ toolName, input })),
      results: steps[0]?.toolResults.map(({ output }) => output), text, kinds, streamed,
      read: steps[1]?.usage.inputTokens, alone: await engine.countTokens([{ role: "user", content: ask.prompt }]),
    };
  }, { source: SMOLLM2, chatTemplate: TOOL_TEMPLATE });
  expect(said.called.length).toBeGreaterThan(0);
  expect(said.called.every(({ city }) => ["Paris", "Seoul"].includes(city))).toBe(true);
  expect(said).toMatchObject({ reasons: ["tool-calls", expect.stringMatching(/stop|length/)], calls: said.called.map((input) => ({ toolName: "weather", input })), results: said.called.map(() => ({ degrees: 21 })), streamed: said.calledAgain });
  expect(said.text.length).toBeGreaterThan(0);
  // The second step's prompt has the call and its result, and no tools any more.
  expect(said.read).toBeGreaterThan(said.alone + 10);
  expect(said.kinds).toEqual(["start", "start-step", "tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result", "finish-step", "finish"]);
});

test("settings reach the model; what cannot be honoured is a warning, and nothing else fails", async ({ app }) => {
  const said = await app.evaluate(async ({ source, chatTemplate }) => {
    const { doran, createDoran, ai } = window.surfaces;
    const engine = await doran.Engine.load(source, { chatTemplate: `${chatTemplate}{% if enable_thinking %}{{ reasoning_effort }}{% endif %}`, store: false });
    const provider = createDoran(engine, { generate: { ignoreEos: true, maxTokens: 5 } });
    const model = provider();
    const ask = { model, prompt: "hello", maxRetries: 0 };
    const text = async (options: object): Promise<string> => (await ai.generateText({ ...ask, ...options })).text;
    const input = async (options: object): Promise<number> => (await ai.generateText({ ...ask, ...options })).usage.inputTokens ?? 0;
    const greedy = await text({ temperature: 0 });
    let wanted = "";
    for await (const item of engine.generate([{ role: "user", content: "hello" }], { temperature: 0, maxTokens: 5, ignoreEos: true })) wanted += item.text;
    const plain = await input({});
    const { warnings } = await ai.generateText({
      ...ask, headers: { "x-mine": "1" }, providerOptions: { doran: { minP: 0.1, wild: 1, templateArgs: { mood: "m" } } },
      tools: { search: { type: "provider", isProviderExecuted: true, id: "other.search", args: {}, inputSchema: window.surfaces.z.object({}) } },
    });
    return {
      greedy: greedy === wanted, topK: await text({ topK: 1 }) === wanted,
      seeded: await text({ seed: 7 }) === await text({ seed: 7 }), drawn: new Set([await text({ seed: 1 }), await text({ seed: 2 }), await text({ seed: 3 })]).size > 1,
      short: (await ai.generateText({ ...ask, maxOutputTokens: 2 })).usage.outputTokens, always: (await ai.generateText(ask)).usage.outputTokens,
      stops: (await text({ temperature: 0, stopSequences: [wanted.slice(-1)] })) === wanted.slice(0, wanted.indexOf(wanted.slice(-1))),
      system: await input({ instructions: "be kind" }) > plain, thinks: await input({ reasoning: "high" }) > plain, not: await input({ reasoning: "none" }) === plain,
      args: await input({ providerOptions: { doran: { templateArgs: { mood: "glad" } } } }) > plain,
      warnings: warnings?.map((warning) => ("feature" in warning ? warning.feature : warning.type)),
    };
  }, { source: TINY, chatTemplate: TEMPLATE });
  expect(said).toEqual({
    greedy: true, topK: true, seeded: true, drawn: true, short: 2, always: 5, stops: true, system: true, thinks: true, not: true, args: true,
    warnings: ["the provider's tool other.search", "providerOptions.doran.wild", "the header x-mine"],
  });
});

test("aborts, failures and what no model of text can read come as the SDK expects them", async ({ app }) => {
  const said = await app.evaluate(async ({ source, chatTemplate }) => {
    const { doran, createDoran, ai } = window.surfaces;
    const engine = await doran.Engine.load(source, { chatTemplate, store: false });
    const model = createDoran(engine, { generate: { ignoreEos: true } })();
    const controller = new AbortController();
    const kinds: string[] = [];
    for await (const { type } of ai.streamText({ model, prompt: "hello", maxOutputTokens: 200, abortSignal: controller.signal }).stream) {
      kinds.push(type);
      if (type === "text-delta") controller.abort();
    }
    const early = await window.rejection(ai.generateText({ model, prompt: "a", abortSignal: AbortSignal.abort() }));
    const image = await window.rejection(ai.generateText({ model, messages: [{ role: "user", content: [{ type: "file", data: new Uint8Array([1]), mediaType: "image/png" }] }] }));
    const long = await window.rejection(ai.generateText({ model, prompt: "x".repeat(2000), maxRetries: 0 }));
    const errors: unknown[] = [];
    await ai.streamText({ model, prompt: "x".repeat(2000), maxRetries: 0, onError: ({ error }) => { errors.push(error); } }).consumeStream();
    const streamed = errors.map((error) => (error instanceof doran.DoranError ? error.code : String(error)));
    // Leaving a stream leaves the engine free.
    for await (const delta of ai.streamText({ model, prompt: "hello", maxOutputTokens: 200 }).textStream) if (delta !== "") break;
    const after = (await ai.generateText({ model, prompt: "hello", maxOutputTokens: 2 })).usage.outputTokens;
    return { last: kinds.at(-1), early: early.name, image: image.name, long: long.name, streamed, after };
  }, { source: TINY, chatTemplate: TEMPLATE });
  expect(said).toEqual({ last: "abort", early: "AbortError", image: "AI_UnsupportedFunctionalityError", long: "DoranError", streamed: ["context_overflow"], after: 2 });
});

test("an answer goes on with the assistant's last words, and text files are read", async ({ app }) => {
  const said = await app.evaluate(async ({ source, chatTemplate }) => {
    const { doran, createDoran, ai } = window.surfaces;
    const engine = await doran.Engine.load(source, { chatTemplate, store: false });
    const model = createDoran(engine, { generate: { ignoreEos: true, maxTokens: 5 } })();
    const begun = await ai.generateText({ model, temperature: 0, messages: [{ role: "user", content: "hello" }, { role: "assistant", content: "It is" }] });
    const ids = await engine.tokenize(`${await engine.applyChatTemplate([{ role: "user", content: "hello" }])}It is`, { addSpecialTokens: false });
    let wanted = "";
    for await (const item of engine.generate(ids, { temperature: 0, maxTokens: 5, ignoreEos: true })) wanted += item.text;
    const file = await ai.generateText({
      model, temperature: 0,
      messages: [{ role: "user", content: [{ type: "text", text: "hel" }, { type: "file", data: new TextEncoder().encode("lo"), mediaType: "text/plain" }] }],
    });
    return { goesOn: begun.text === wanted, file: file.text === (await ai.generateText({ model, temperature: 0, prompt: "hello" })).text };
  }, { source: TINY, chatTemplate: TEMPLATE });
  expect(said).toEqual({ goesOn: true, file: true });
});

test("an encoder embeds by embedMany, and a loader is asked once an id and again after it failed", async ({ app }) => {
  const said = await app.evaluate(async (source) => {
    const { doran, createDoran, ai } = window.surfaces;
    const asked: string[] = [];
    let fails = true;
    const provider = createDoran(async (modelId) => {
      asked.push(modelId);
      if (fails) throw new RangeError("not yet");
      return doran.Engine.load(modelId, { store: false });
    });
    const model = provider.embeddingModel(source);
    const first = await window.rejection(ai.embedMany({ model, values: ["a"], maxRetries: 0 }));
    fails = false;
    const values = ["a cat", "a kitten", "rain"];
    const { embeddings, usage, warnings } = await ai.embedMany({ model, values, providerOptions: { doran: { pooling: "cls" } } });
    await ai.embedMany({ model: provider.textEmbeddingModel(source), values });
    const engine = await doran.Engine.load(source, { store: false });
    const wanted = (await engine.embed(values, { pooling: "cls" })).map((vector) => [...vector]);
    const tokens = (await Promise.all(values.map((value) => engine.tokenize(value)))).reduce((sum, ids) => sum + ids.length, 0);
    return { first: first.name, asked: asked.length, same: JSON.stringify(embeddings) === JSON.stringify(wanted), usage: usage.tokens === tokens, warnings, image: await window.misuse(provider, "imageModel", "x") };
  }, TINY_ENCODER);
  expect(said).toEqual({ first: "RangeError", asked: 2, same: true, usage: true, warnings: [], image: "AI_NoSuchModelError" });
});
