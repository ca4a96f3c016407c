import { expect, test } from "./fixture.js";

test("texts and ids become vectors, in order", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?encoder");
    const rows = await engine.embed(["abc", Uint32Array.of(1, 2)]);
    const plain = await engine.embed(["abc"], { normalize: false, pooling: "cls" });
    const none = await engine.embed([]);
    const { kind } = engine.info;
    await engine.unload();
    return { kind, typed: rows.every((row) => row instanceof Float32Array), rows: rows.map((row) => [...row]), plain: plain.map((row) => [...row]), none };
  });
  expect(seen).toMatchObject({ kind: "encoder", typed: true, none: [] });
  expect(seen.rows.map((row) => row[0])).toEqual([1, 1]);
  expect(seen.rows.map((row) => row[1])).toEqual([3, 2]);
  expect(seen.plain).toEqual([[2, 3]]);
});

test("what cannot be embedded is a typed error, and the engine goes on", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const decoder = await Engine.load("/model.gguf");
    const wrong = await window.failure(decoder.embed(["x"]));
    const text = await window.collect(decoder.generate("fine"));
    await decoder.unload();
    const engine = await Engine.load("/model.gguf?encoder", { context: 4 });
    const long = await window.failure(engine.embed(["abc", "a text that is too long"]));
    const generates = await window.failure(window.collect(engine.generate("x")));
    const loose: { embed(texts: unknown): Promise<unknown> } = engine;
    const shapes = await Promise.all([loose.embed("abc"), loose.embed([1]), loose.embed(undefined)].map(window.failure));
    const rows = await engine.embed(["abc"]);
    await engine.unload();
    return { wrong: wrong.code, text, long, generates: generates.code, shapes: shapes.map(({ code }) => code), n: rows.length };
  });
  expect(seen).toMatchObject({ wrong: "unsupported", text: "You said: fine", generates: "unsupported", n: 1 });
  expect(seen.shapes).toEqual(["bad_argument", "bad_argument", "bad_argument"]);
  expect(seen.long).toMatchObject({ code: "context_overflow", data: { index: 1 } });
});

test("an aborted embedding rejects at once, and the engine goes on", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?encoder&pace=50");
    const texts = Array.from({ length: 200 }, () => "x");
    const begun = performance.now();
    const aborted = await window.failure(engine.embed(texts, { signal: AbortSignal.timeout(100) }));
    const already = await window.failure(engine.embed(texts, { signal: AbortSignal.abort() }));
    const rows = await engine.embed(["abc"]);
    const ms = performance.now() - begun;
    await engine.unload();
    return { aborted: aborted.name, already: already.name, n: rows.length, ms };
  });
  expect(seen).toMatchObject({ aborted: "TimeoutError", already: "AbortError", n: 1 });
  expect(seen.ms).toBeLessThan(4000);
});
