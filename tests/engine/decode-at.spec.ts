/** `engine.decodeAt`: what a token costs behind a context that nobody read. */
import { expect, greedyGolden, test } from "./fixture.js";

const { prompt, ids: greedy } = greedyGolden("llama");

for (const backend of ["webgpu", "reference"] as const) {
  test(`it decodes behind a context that was not computed, and answers stay what they were, on ${backend}`, async ({ doran }) => {
    const seen = await doran.evaluate(async ({ prompt, backend }) => {
      const engine = await window.doran.Engine.load("/arch/llama/model-f32.gguf", { backend, context: 128 });
      const answer = async () => (await window.read(engine.generate(Uint32Array.from(prompt), { maxTokens: 8, temperature: 0, ignoreEos: true }))).ids;
      const before = await answer();
      const near = await engine.decodeAt({ context: 20 });
      const [far, few, , after] = await Promise.all([
        engine.decodeAt({ context: 96 }), engine.decodeAt({ context: 100, tokens: 4 }),
        // Calls take turns with answers.
        answer(), engine.stats(),
      ]);
      const full = await window.failure(engine.decodeAt({ context: 97 }));
      const nothing = await window.failure(engine.decodeAt({ context: 5, tokens: 0 }));
      const again = await answer();
      await engine.unload();
      return { before, near, far, few, after, full, nothing, again };
    }, { prompt, backend });
    expect(seen.before).toEqual(greedy.slice(0, 8));
    expect(seen.again).toEqual(seen.before);
    for (const { tokens, ms, tps } of [seen.near, seen.far]) {
      expect(tokens).toBe(32);
      expect(tps).toBeCloseTo((1000 * tokens) / ms, 5);
    }
    expect(seen.few.tokens).toBe(4);
    expect(seen.full).toMatchObject({ name: "DoranError", code: "context_overflow" });
    expect(seen.nothing).toMatchObject({ code: "bad_argument", data: { argument: "tokens" } });
    if (backend === "reference") {
      expect(seen.near.counters).toMatchObject({ submits: 0, dispatches: 0 });
      return;
    }
    // A token is a submit, and the same number of dispatches each time; keys and values are read of every position.
    expect(seen.near.counters).toMatchObject({ submits: 32, bufferWrites: 0, created: 0, dispatches: seen.far.counters.dispatches });
    expect(seen.few.counters).toMatchObject({ submits: 4, dispatches: seen.far.counters.dispatches / 8 });
    const positions = (context: number): number => 32 * context + (32 * 33) / 2;
    expect(seen.far.counters.kvBytesRead / seen.near.counters.kvBytesRead).toBeCloseTo(positions(96) / positions(20), 5);
    expect(seen.near.counters.gpuBytes).toBe(seen.after.counters.gpuBytes);
  });
}
