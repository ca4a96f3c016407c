import { expect, test } from "./fixture.js";

test("four lines of JavaScript answer", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const phases: string[] = [];
    const engine = await window.doran.Engine.load("/model.gguf", { onProgress: ({ phase }) => phases.push(phase) });
    const items = [];
    for await (const item of engine.generate([{ role: "user", content: "hi" }])) items.push(item);
    await engine.unload();
    return { phases, items, info: engine.info };
  });
  expect(seen.phases[0]).toBe("header");
  expect(seen.phases.at(-1)).toBe("ready");
  expect(seen.items.map((item) => item.text).join("")).toBe("You said: hi");
  expect(seen.items[0]).toEqual({ id: 89, text: "Y" });
  expect(seen.items.at(-1)).toMatchObject({ text: "", finishReason: "stop", usage: { completionTokens: 12 } });
  expect(seen.info).toMatchObject({ name: "model.gguf", architecture: "fake" });
});

test("what a callback throws is the page's own, and costs the answer nothing", async ({ doran }) => {
  const thrown: string[] = [];
  doran.on("pageerror", ({ message }) => { thrown.push(message); });
  const text = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf");
    const text = await window.collect(engine.generate([{ role: "user", content: "hi ".repeat(20) }], { onToken: () => { throw new Error("not now"); } }));
    await engine.unload();
    return text;
  });
  expect(text).toBe(`You said: ${"hi ".repeat(20)}`);
  expect(thrown.length).toBeGreaterThan(40);
});

test("the small calls answer, and typed arrays stay typed", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf");
    const ids = await engine.tokenize("도란");
    const logits = await engine.logits(ids);
    const result = {
      typed: ids instanceof Uint32Array && logits.lastLogits instanceof Float32Array && (await engine.nll(ids)) instanceof Float32Array,
      text: await engine.detokenize([...ids]),
      count: await engine.countTokens([{ role: "user", content: "abc" }]),
      prompt: await engine.applyChatTemplate([{ role: "user", content: "abc" }], { addGenerationPrompt: false }),
      top1: [...logits.top1],
      counters: (await engine.stats()).counters,
      kernels: await engine.profile({ context: 3 }),
      decoded: await engine.decodeAt({ context: 3 }),
    };
    await engine.unload();
    return result;
  });
  expect(seen.typed).toBe(true);
  expect(seen.text).toBe("도란");
  expect(seen.count).toBe("<user>abc<assistant>".length);
  expect(seen.prompt).toBe("<user>abc");
  expect(seen.top1).toHaveLength(2);
  expect(seen.counters.liveObjects).toBe(1);
  expect(seen.kernels).toMatchObject([{ rows: 1, kernel: "fake", dispatches: 2 }]);
  expect(seen.decoded).toMatchObject({ tokens: 32, ms: 32, tps: 1000, counters: { liveObjects: 1 } });
});

test("nothing starts before the first next(), and an unread answer stops at 32 tokens", async ({ doran }) => {
  const decoded = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf");
    const answer = engine.generate("x", { ignoreEos: true });
    const rest = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 150); });
    const count = async (): Promise<number> => (await engine.stats()).tokensDecoded;
    await rest();
    const before = await count();
    await answer.next();
    await rest();
    const unread = await count();
    for (let i = 0; i < 10; i += 1) await answer.next();
    await rest();
    const later = await count();
    await answer.return();
    await engine.unload();
    return { before, unread, later };
  });
  expect(decoded).toEqual({ before: 0, unread: 33, later: 43 });
});

test("leaving the loop stops the model and frees its turn", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?pace=20");
    for await (const item of engine.generate("x", { ignoreEos: true })) if (item.text === "s") break;
    const atBreak = (await engine.stats()).tokensDecoded;
    const text = await window.collect(engine.generate("next"));
    const after = (await engine.stats()).tokensDecoded;
    await engine.unload();
    return { atBreak, text, after };
  });
  expect(seen.text).toBe("You said: next");
  expect(seen.after - seen.atBreak).toBe("You said: next".length);
  expect(seen.atBreak).toBeLessThan(12);
});

test("leaving the loop while the reader lags behind does not hang", async ({ doran }) => {
  const text = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf");
    const answer = engine.generate("x", { ignoreEos: true });
    await answer.next();
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    await answer.return();
    const done = await answer.next();
    const next = await window.collect(engine.generate("y"));
    await engine.unload();
    return `${String(done.done)} ${next}`;
  });
  expect(text).toBe("true You said: y");
});

test("an abort rejects with the signal's reason, and the engine goes on", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?pace=2");
    const controller = new AbortController();
    const answer = engine.generate("x", { ignoreEos: true, signal: controller.signal });
    await answer.next();
    controller.abort();
    const plain = await window.failure(answer.next());
    const after = await answer.next();
    const own = await window.failure(window.collect(engine.generate("x", { signal: AbortSignal.abort(new RangeError("mine")) })));
    const timeout = await window.failure(window.collect(engine.generate("x", { ignoreEos: true, signal: AbortSignal.timeout(50) })));
    const text = await window.collect(engine.generate("y"));
    await engine.unload();
    return { plain: plain.name, done: after.done, own: own.message, timeout: timeout.name, text };
  });
  expect(seen).toEqual({ plain: "AbortError", done: true, own: "mine", timeout: "TimeoutError", text: "You said: y" });
});

test("answers come in the order of their first next(), and calls may be made at once", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?pace=1");
    const order: string[] = [];
    const one = async (name: string): Promise<void> => {
      for await (const item of engine.generate(name)) if (item.finishReason !== undefined) order.push(name);
    };
    await Promise.all([one("long long prompt"), one("b"), one("c"), engine.tokenize("meanwhile").then(() => order.push("tokenize"))]);
    const steps = engine.generate("zz");
    const pulled = await Promise.all([steps.next(), steps.next(), steps.next()]);
    await steps.return();
    await engine.unload();
    return { order, pulled: pulled.map((step) => step.value?.text) };
  });
  expect(seen.order).toEqual(["tokenize", "long long prompt", "b", "c"]);
  expect(seen.pulled).toEqual(["Y", "o", "u"]);
});

test("two engines at once", async ({ doran }) => {
  const texts = await doran.evaluate(async () => {
    const [a, b] = await Promise.all([window.doran.Engine.load("/a.gguf?pace=1"), window.doran.Engine.load("/b.gguf?pace=1")]);
    const texts = await Promise.all([window.collect(a.generate("one")), window.collect(b.generate("two"))]);
    await a.unload();
    texts.push(await window.collect(b.generate("three")));
    await b.unload();
    return texts;
  });
  expect(texts).toEqual(["You said: one", "You said: two", "You said: three"]);
});
