/**
 * The OpenAI API on an engine, and the stock `openai` client over it. Shapes are looked at on a tiny model, whose words mean nothing; what
 * a user sees is told of the real one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, SMOLLM2, test, TINY_ENCODER } from "./fixture.js";

const HERMES = readFileSync(join(ROOT, "tests/fixtures/tools/hermes.jinja"), "utf8");
const messages = [{ role: "user" as const, content: "hello" }];

/** Fields that the API has and doran has not, each with a value that a client may send. */
const UNSUPPORTED: Record<string, unknown> = {
  audio: {}, functions: [], function_call: "auto", metadata: {}, modalities: ["text"], prediction: {}, service_tier: "auto", store: true,
  user: "me", verbosity: "low", web_search_options: {}, prompt_cache_key: "k", safety_identifier: "s", nonsense: 1, stream_options: { include_obfuscation: true },
};

test("a field that is not supported is refused by its name, and null is as if it were left out", async ({ tiny }) => {
  const seen = await tiny.evaluate(async ({ fields, messages }) => {
    const refused: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields)) {
      const { code, parameter } = await window.refused(window.engine.chat.completions.create({ messages, max_tokens: 1, [name]: value }));
      refused[name] = [code, parameter];
    }
    const nulls = Object.fromEntries([...Object.keys(fields), "temperature", "tools", "stop", "seed"].map((name) => [name, null]));
    const answer = await window.engine.chat.completions.create({ messages, max_tokens: 3, ...nulls });
    return { refused, tokens: answer.usage.completion_tokens };
  }, { fields: UNSUPPORTED, messages });
  const wanted = Object.keys(UNSUPPORTED).map((name) => [name, ["unsupported_parameter", name === "stream_options" ? "stream_options.include_obfuscation" : name]]);
  expect(seen.refused).toEqual(Object.fromEntries(wanted));
  expect(seen.tokens).toBeLessThanOrEqual(3);
});

test("an answer is the engine's own, with usage, log-probabilities, stop texts and several choices", async ({ tiny }) => {
  const seen = await tiny.evaluate(async ({ messages }) => {
    const { engine } = window;
    const options = { temperature: 0.8, seed: 7, maxTokens: 8, logprobs: true, topLogprobs: 3 };
    const tokens: { logprob: number; top: number[] }[] = [];
    let text = "";
    for await (const item of engine.generate(messages, options)) {
      text += item.text;
      if (item.finishReason === undefined) tokens.push({ logprob: item.logprob ?? NaN, top: item.topLogprobs?.map(({ logprob }) => logprob) ?? [] });
    }
    const request = { messages, temperature: 0.8, seed: 7, max_completion_tokens: 8 };
    const whole = await engine.chat.completions.create({ ...request, logprobs: true, top_logprobs: 3 });
    const two = await engine.chat.completions.create({ ...request, n: 2 });
    const next = await engine.chat.completions.create({ ...request, seed: 8 });
    const stop = text.slice(3, 5);
    const stopped = await engine.chat.completions.create({ ...request, stop });
    const biased = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 4, logit_bias: { 77: 1e6 } });
    const [choice] = whole.choices;
    return {
      text, tokens, whole, stop, stopped: stopped.choices[0]?.message.content, two: two.choices.map(({ index, message }) => [index, message.content]),
      next: next.choices[0]?.message.content, usage: two.usage, biased: biased.choices[0]?.message.content, seventySeven: await engine.detokenize([77, 77, 77, 77]),
      logprobs: choice?.logprobs?.content.map(({ logprob, top_logprobs: top, bytes, token }) => ({ logprob, top: top.map((one) => one.logprob), bytes, token })),
    };
  }, { messages });
  expect(seen.whole).toMatchObject({ object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: seen.text, refusal: null } }] });
  expect(seen.whole.id).toMatch(/^chatcmpl-/);
  const { usage } = seen.whole;
  expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  expect(seen.logprobs?.map(({ logprob, top }) => ({ logprob, top }))).toEqual(seen.tokens);
  expect(seen.logprobs?.every(({ top }) => top.length === 3 && (top[0] ?? 0) >= (top[1] ?? 0))).toBe(true);
  const bytes = seen.logprobs?.flatMap((token) => token.bytes) ?? [];
  expect(new TextDecoder().decode(Uint8Array.from(bytes))).toContain(seen.text.trim().slice(0, 4));
  expect(seen.two).toEqual([[0, seen.text], [1, seen.next]]);
  expect(seen.next).not.toBe(seen.text);
  expect(seen.usage.completion_tokens).toBeGreaterThan(usage.completion_tokens);
  expect(seen.stopped).toBe(seen.text.slice(0, seen.text.indexOf(seen.stop)));
  expect(seen.biased?.trim()).toBe(seen.seventySeven.trim());
});

test("options that the API has no fields for tell of a long prompt, and let the oldest turns go; a template takes its arguments", async ({ tiny }) => {
  const seen = await tiny.evaluate(async () => {
    const { engine } = window;
    const turn = (content: string): { role: "user"; content: string }[] => [{ role: "user", content }];
    const old = "a b c d ".repeat(20);
    let longest = turn(old);
    while (await engine.countTokens(longest) < engine.info.context) longest = [...longest, ...turn(old)];
    const request = { messages: longest, temperature: 0, max_tokens: 2 };
    const refused = await window.refused(engine.chat.completions.create(request));
    const slid = await engine.chat.completions.create(request, { contextPolicy: "slide" });
    const read: number[] = [];
    await engine.chat.completions.create({ messages: turn("x y z ".repeat(25)), temperature: 0, max_tokens: 1 }, { onPrefill: ({ promptTokensDone }) => { read.push(promptTokensDone); } });
    const short = { messages: turn("hello"), max_tokens: 1 };
    const plain = (await engine.chat.completions.create(short)).usage.prompt_tokens;
    const glad = (await engine.chat.completions.create({ ...short, chat_template_kwargs: { mood: "glad" } })).usage.prompt_tokens;
    const args = { glad: glad > plain, counted: await engine.countTokens(short.messages, { templateArgs: { mood: "glad" } }) === glad };
    return { args, refused: refused.code, prompt: slid.usage.prompt_tokens, answered: slid.usage.completion_tokens, context: engine.info.context, read };
  });
  expect(seen.refused).toBe("context_overflow");
  expect(seen.args).toEqual({ glad: true, counted: true });
  expect(seen.prompt).toBeLessThan(seen.context);
  expect(seen.answered).toBeGreaterThan(0);
  expect(seen.read.length).toBeGreaterThan(0);
});

test("a stream begins with the role, ends with a reason, and then with usage where that is asked for", async ({ tiny }) => {
  const seen = await tiny.evaluate(async ({ messages }) => {
    const request = { messages, temperature: 0, max_tokens: 6, n: 2, stream: true as const };
    const chunks = [];
    for await (const chunk of await window.engine.chat.completions.create({ ...request, stream_options: { include_usage: true } })) chunks.push(chunk);
    const plain = [];
    for await (const chunk of await window.engine.chat.completions.create(request)) plain.push(chunk);
    const whole = await window.engine.chat.completions.create({ ...request, stream: false });
    return { chunks, plain, whole };
  }, { messages });
  const ids = new Set(seen.chunks.map(({ id, object, model, created }) => JSON.stringify([id, object, model, created])));
  expect(ids.size).toBe(1);
  for (const index of [0, 1]) {
    const own = seen.chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
    expect(own[0]?.delta).toEqual({ role: "assistant", content: "" });
    expect(own.map(({ finish_reason: reason }) => reason).filter((reason) => reason !== null)).toEqual([seen.whole.choices[index]?.finish_reason]);
    expect(own.at(-1)?.delta).toEqual({});
    expect(own.map(({ delta }) => delta.content ?? "").join("")).toBe(seen.whole.choices[index]?.message.content);
  }
  const last = seen.chunks.at(-1);
  expect(last?.choices).toEqual([]);
  expect(last?.usage?.completion_tokens).toBe(seen.whole.usage.completion_tokens);
  expect(seen.chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  expect(seen.plain.every((chunk) => !("usage" in chunk) && chunk.choices.length === 1)).toBe(true);
});

test("texts are gone on with, and an encoder embeds, as the API has it", async ({ tiny }) => {
  const seen = await tiny.evaluate(async ({ encoder }) => {
    const { engine } = window;
    const create = engine.completions.create.bind(engine.completions);
    const whole = await create({ prompt: ["one", "two"], temperature: 0, max_tokens: 5, logprobs: 2 });
    const direct: string[] = [];
    for (const prompt of ["one", "two"]) {
      let text = "";
      for await (const item of engine.generate(prompt, { temperature: 0, maxTokens: 5 })) text += item.text;
      direct.push(text);
    }
    let streamed = "";
    for await (const { choices } of await create({ prompt: "one", temperature: 0, max_tokens: 5, stream: true })) streamed += choices[0]?.text ?? "";
    const short = await create({ prompt: [...await engine.tokenize("one")], temperature: 0 });
    const bert = await window.surfaces.doran.Engine.load(encoder, { store: false });
    const rows = await bert.embed(["a", "bc"]);
    const floats = await bert.embeddings.create({ input: ["a", "bc"] });
    const coded = await bert.embeddings.create({ input: "bc", encoding_format: "base64" });
    const refused = (await window.refused(bert.embeddings.create({ input: "a", ...{ dimensions: 4 } }))).code;
    await bert.unload();
    const [first] = coded.data;
    const bytes = typeof first?.embedding === "string" ? Uint8Array.from(atob(first.embedding), (c) => c.charCodeAt(0)) : new Uint8Array();
    return {
      whole, direct, streamed, short, refused, usage: floats.usage,
      floats: floats.data.map(({ embedding }) => embedding), rows: rows.map((row) => [...row]), decoded: [...new Float32Array(bytes.buffer)],
    };
  }, { encoder: TINY_ENCODER });
  expect(seen.whole.choices.map(({ text }) => text)).toEqual(seen.direct);
  expect(seen.whole.object).toBe("text_completion");
  const [first] = seen.whole.choices;
  expect(first?.logprobs?.tokens.length).toBe(first?.logprobs?.token_logprobs.length);
  expect(first?.logprobs?.top_logprobs.every((top) => Object.keys(top).length === 2)).toBe(true);
  expect(seen.streamed).toBe(seen.direct[0]);
  expect(seen.short.usage?.completion_tokens).toBe(16);
  expect(seen.floats).toEqual(seen.rows);
  expect(seen.decoded).toEqual(seen.rows[1]);
  expect(seen.refused).toBe("unsupported_parameter");
  expect(seen.usage.prompt_tokens).toBeGreaterThan(2);
});

test("tools where the model knows none, and messages that are none, are typed errors", async ({ tiny }) => {
  const codes = await tiny.evaluate(async ({ messages }) => {
    const tools = [{ type: "function" as const, function: { name: "clock" } }];
    const code = async (request: object): Promise<string> => (await window.refused(window.engine.chat.completions.create({ messages, max_tokens: 1, ...request }))).code;
    return {
      tools: await code({ tools }), none: await code({ tools, tool_choice: "none" }), forced: await code({ tool_choice: "required" }),
      empty: await code({ messages: [] }), role: await code({ messages: [{ role: "robot", content: "" }] }),
      image: await code({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }),
      custom: await code({ tools: [{ type: "custom", custom: { name: "x" } }] }), format: await code({ response_format: { type: "xml" } }),
      parts: await code({ messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }] }), effort: await code({ reasoning_effort: "low" }),
    };
  }, { messages });
  expect(codes).toEqual({
    tools: "tools_unsupported", none: "none", forced: "bad_argument", empty: "bad_argument", role: "bad_argument", image: "unsupported",
    custom: "unsupported_parameter", format: "unsupported_parameter", parts: "none", effort: "unsupported_parameter",
  });
});

test("the stock client, given the engine as its fetch, streams, takes forms, calls tools and is aborted", async ({ app }) => {
  test.setTimeout(600_000);
  const seen = await app.evaluate(async ({ model, template }) => {
    const { doran, OpenAI, createFetch } = window.surfaces;
    const engine = await doran.Engine.load(model, { chatTemplate: template });
    const openai = new OpenAI({ apiKey: "none", baseURL: "http://doran.invalid/v1", fetch: createFetch(engine), dangerouslyAllowBrowser: true, maxRetries: 0 });
    const question = [{ role: "user" as const, content: "What is the capital of France? Answer in one short sentence." }];
    const first = await openai.chat.completions.create({ model: "local", messages: question, temperature: 0, max_completion_tokens: 24 });
    const said = first.choices[0]?.message.content ?? "";
    let streamed = "";
    let usage: { cached: number; prompt: number } | undefined;
    const stream = await openai.chat.completions.create({
      model: "local", messages: question, temperature: 0, max_completion_tokens: 24, stream: true, stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      if (chunk.usage) usage = { cached: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0, prompt: chunk.usage.prompt_tokens };
    }
    const person = { type: "object", properties: { name: { type: "string", maxLength: 20 }, age: { type: "integer", minimum: 0, maximum: 120 } }, required: ["name", "age"], additionalProperties: false };
    const formed = await openai.chat.completions.create({
      model: "local", messages: [{ role: "user", content: "Invent a person." }], temperature: 0, max_completion_tokens: 120,
      response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema: person } },
    });
    const tools = [{
      type: "function" as const,
      function: { name: "get_weather", description: "The weather in a city", parameters: { type: "object", properties: { city: { type: "string", maxLength: 20 }, unit: { enum: ["celsius", "fahrenheit"] } }, required: ["city", "unit"], additionalProperties: false } },
    }];
    const asked = [{ role: "user" as const, content: "What is the weather in Paris?" }];
    const called = await openai.chat.completions.create({ model: "local", messages: asked, temperature: 0, max_completion_tokens: 96, tools, tool_choice: "required", parallel_tool_calls: false });
    const call = called.choices[0]?.message.tool_calls?.[0];
    let pieces = "";
    let names = "";
    let finish: string | null | undefined;
    const callStream = await openai.chat.completions.create({
      model: "local", messages: asked, temperature: 0, max_completion_tokens: 96, tools, tool_choice: { type: "function", function: { name: "get_weather" } }, stream: true,
    });
    for await (const { choices: [choice] } of callStream) {
      const delta = choice?.delta.tool_calls?.[0];
      names += delta?.function?.name ?? "";
      pieces += delta?.function?.arguments ?? "";
      finish = choice?.finish_reason ?? finish;
    }
    const result = call === undefined ? undefined : await openai.chat.completions.create({
      model: "local", temperature: 0, max_completion_tokens: 24, tools,
      messages: [...asked, { role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: call.id, content: "{\"celsius\": 21}" }],
    });
    const controller = new AbortController();
    let tokens = 0;
    let aborted = "ended";
    try {
      const long = await openai.chat.completions.create({ model: "local", messages: question, temperature: 0, max_completion_tokens: 400, stream: true }, { signal: controller.signal });
      for await (const chunk of long) {
        tokens += chunk.choices.length;
        if (tokens === 4) controller.abort();
      }
    } catch (thrown) {
      aborted = String(thrown);
    }
    const again = await openai.chat.completions.create({ model: "local", messages: question, temperature: 0, max_completion_tokens: 24 });
    const wrong = await window.refused(openai.chat.completions.create({ model: "local", messages: question, store: true }));
    const models = await openai.models.list();
    await engine.unload();
    return {
      said, streamed, usage, formed: formed.choices[0], call, called: called.choices[0], pieces, names, finish, result: result?.choices[0], aborted, tokens,
      again: again.choices[0]?.message.content, wrong: [wrong.status, wrong.code, wrong.param], models: models.data.map(({ id }) => id),
    };
  }, { model: SMOLLM2, template: HERMES });
  expect(seen.said).toContain("Paris");
  expect(seen.streamed).toBe(seen.said);
  expect(seen.usage?.cached).toBe((seen.usage?.prompt ?? 0) - 1);
  expect(seen.formed?.finish_reason, seen.formed?.message.content ?? "").toBe("stop");
  expect(JSON.parse(seen.formed?.message.content ?? "")).toEqual({ name: expect.any(String), age: expect.any(Number) });
  expect(seen.called?.finish_reason).toBe("tool_calls");
  expect(seen.called?.message.content).toBeNull();
  const args: unknown = JSON.parse(seen.call?.type === "function" ? seen.call.function.arguments : "");
  expect(args).toEqual({ city: expect.any(String), unit: expect.stringMatching(/^(celsius|fahrenheit)$/) });
  expect(seen.names).toBe("get_weather");
  expect(JSON.parse(seen.pieces)).toEqual(args);
  expect(seen.finish).toBe("tool_calls");
  expect(seen.result?.message.content).not.toBe("");
  expect(seen.aborted).toBe("ended");
  expect(seen.tokens).toBeLessThan(12);
  expect(seen.again).toBe(seen.said);
  expect(seen.wrong).toEqual([400, "unsupported_parameter", "store"]);
  expect(seen.models).toHaveLength(1);
});

test("thoughts come apart from the answer, also where it has a form, and where the prompt has opened them", { tag: "@long" }, async ({ app, address }) => {
  test.setTimeout(240_000);
  const seen = await app.evaluate(async ({ model, plain }) => {
    const ask = async (chatTemplate: string, request: object): Promise<unknown> => {
      const engine = await window.surfaces.doran.Engine.load(model, { chatTemplate });
      const answer = await engine.chat.completions.create({ messages: [{ role: "user", content: "Is water wet?" }], temperature: 0, max_tokens: 40, ...request });
      let thoughts = "";
      let text = "";
      for await (const { choices: [choice] } of await engine.chat.completions.create({ messages: [{ role: "user", content: "Is water wet?" }], temperature: 0, max_tokens: 40, ...request, stream: true })) {
        thoughts += choice?.delta.reasoning_content ?? "";
        text += choice?.delta.content ?? "";
      }
      await engine.unload();
      const [choice] = answer.choices;
      return { content: choice?.message.content, thoughts: choice?.message.reasoning_content, streamed: [thoughts, text], reasoning: answer.usage.completion_tokens_details.reasoning_tokens > 0 };
    };
    const thinks = `${plain}{# the model writes <think> and </think> #}`;
    const opened = `${plain}{% if add_generation_prompt %}<think>\n{% endif %}{# … </think> #}`;
    return {
      // The grammar says what is thought, which stands for a model that thinks.
      thought: await ask(thinks, { response_format: { type: "grammar", grammar: 'start: "<think>" "hm" "</think>" "yes"' } }),
      without: await ask(thinks, { response_format: { type: "regex", regex: "(yes|no)!" } }),
      opened: await ask(opened, { response_format: { type: "grammar", grammar: 'start: "no"' }, logit_bias: {}, stop: [] }),
    };
  }, { model: `${address}${SMOLLM2}`, plain: "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}" });
  expect(seen.thought).toEqual({ content: "yes", thoughts: "hm", streamed: ["hm", "yes"], reasoning: true });
  expect(seen.without).toMatchObject({ content: expect.stringMatching(/^(yes|no)!$/) });
  // Open thoughts may go on to the end of the answer; what follows them, if they end, has the form.
  expect(seen.opened).toMatchObject({ content: expect.stringMatching(/^(no)?$/), thoughts: expect.any(String), reasoning: true });
});

test("an answer runs with the adapters of its request", async ({ tiny }) => {
  const seen = await tiny.evaluate(async (messages) => {
    const { engine } = window;
    const adapter = await engine.loadAdapter("/adapters/llama/plain.gguf", { store: false });
    const create = async (adapters: { adapter: typeof adapter; scale: number }[]): Promise<unknown> => (
      (await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 6, adapters })).choices[0]?.message.content
    );
    const direct = async (scale: number): Promise<string> => {
      let text = "";
      for await (const item of engine.generate(messages, { temperature: 0, maxTokens: 6, adapters: [{ adapter, scale }] })) text += item.text;
      return text;
    };
    const said = { strong: await create([{ adapter, scale: 4 }]), none: await create([]), strongly: await direct(4), plain: await direct(0) };
    await adapter.unload();
    return said;
  }, messages);
  expect(seen.strong).toBe(seen.strongly);
  expect(seen.none).toBe(seen.plain);
  expect(seen.strong).not.toBe(seen.none);
});
