/** What stands on the engine stops at once, also where the engine is not there yet or has not said anything yet. */
import { expect, test } from "./fixture.js";

test("an abort while the engine still loads rejects at once with the signal's reason", async ({ doran }) => {
  const names = await doran.evaluate(async () => {
    const [{ createFetch }, { createDoran }] = await Promise.all([window.entries.openai(), window.entries.aiSdk()]);
    const loading = new Promise<never>(() => undefined);
    const provider = createDoran(() => loading);
    const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "x" }] }];
    const signal = AbortSignal.timeout(50);
    const calls = [
      createFetch(loading)("http://here.example/v1/models", { signal }),
      createFetch(() => loading)(new Request("http://here.example/v1/models", { signal })),
      provider("m").doGenerate({ prompt, abortSignal: signal }),
      provider("m").doStream({ prompt, abortSignal: signal }),
      provider.embeddingModel("m").doEmbed({ values: ["x"], abortSignal: signal }),
    ];
    return Promise.all(calls.map(async (call) => (await window.failure(Promise.resolve<unknown>(call))).name));
  });
  expect(names).toEqual(["TimeoutError", "TimeoutError", "TimeoutError", "TimeoutError", "TimeoutError"]);
});

test("a stream that is left while the model says nothing, as it does over a long prompt, ends at once", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const [{ createFetch }, { createDoran }] = await Promise.all([window.entries.openai(), window.entries.aiSdk()]);
    type Engine = Awaited<ReturnType<typeof window.doran.Engine.load>>;
    const request = { messages: [{ role: "user" as const, content: "x" }], stream: true as const };
    /** Milliseconds that the end of a stream takes whose next piece takes 3000. */
    const timed = async (begin: (engine: Engine) => Promise<() => Promise<unknown>>): Promise<number> => {
      const engine = await window.doran.Engine.load("/model.gguf?pace=3000", { store: false });
      const end = await begin(engine);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
      const begun = performance.now();
      await end();
      const ms = performance.now() - begun;
      await engine.unload();
      return ms;
    };
    let last: unknown;
    const [lines, iterator, events, parts] = await Promise.all([
      timed(async (engine) => {
        const stream = (await engine.chat.completions.create(request)).toReadableStream();
        return () => stream.cancel();
      }),
      timed(async (engine) => {
        const pieces = (await engine.completions.create({ prompt: "x", stream: true }))[Symbol.asyncIterator]();
        const next = pieces.next();
        return async () => {
          await pieces.return(undefined);
          last = await next;
        };
      }),
      timed(async (engine) => {
        const response = await createFetch(engine)("http://here.example/v1/chat/completions", { method: "POST", body: JSON.stringify({ ...request, model: "m" }) });
        const reader = response.body?.getReader();
        // The role and the first token came together; what comes next is waited for.
        for (let i = 0; i < 2; i += 1) await reader?.read();
        return async () => reader?.cancel();
      }),
      timed(async (engine) => {
        const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "x" }] }];
        const { stream } = await createDoran(engine)().doStream({ prompt });
        return () => stream.cancel();
      }),
    ]);
    return { ms: { lines, iterator, events, parts }, last };
  });
  for (const [what, ms] of Object.entries(seen.ms)) expect(ms, what).toBeLessThan(1500);
  expect(seen.last).toEqual({ done: true, value: undefined });
});
