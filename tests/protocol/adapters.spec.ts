import { expect, test } from "./fixture.js";

test("an adapter is named by requests of its engine, until it is unloaded", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Adapter, Engine } = window.doran;
    let told = 0;
    const engine = await Engine.load("/model.gguf", { onProgress: () => { told += 1; } });
    const ofModel = told;
    const a = await engine.loadAdapter("/a.gguf");
    // An adapter's progress is nobody's who did not ask for it.
    const ofAdapter = told - ofModel;
    const b = await engine.loadAdapter("/b.gguf", { name: "second" });
    const scale = async (adapters?: { adapter: typeof a; scale?: number }[]) => (
      (await engine.logits([1, 2], adapters === undefined ? {} : { adapters })).lastLogits[0] ?? NaN
    ) - 0.25;
    const scales = [await scale(), await scale([{ adapter: a }]), await scale([{ adapter: a, scale: 0.5 }, { adapter: b, scale: -2 }]), await scale([])];
    const text = await window.collect(engine.generate("with both", { adapters: [{ adapter: a }, { adapter: b, scale: 0 }] }));
    await a.unload();
    await a.unload();
    const gone = await window.failure(engine.logits([1], { adapters: [{ adapter: a }] }));
    const answer = await window.failure(window.collect(engine.generate("x", { adapters: [{ adapter: a }] })));
    const left = await scale([{ adapter: b }]);
    await engine.unload();
    await b.unload();
    return { scales, ofModel, ofAdapter, text, gone: gone.code, answer: answer.code, left, name: b.name, rank: b.rank, targets: b.targets, isAdapter: b instanceof Adapter };
  });
  expect(seen).toMatchObject({
    scales: [0, 1, -1.5, 0], text: "You said: with both", gone: "unloaded", answer: "unloaded", left: 1,
    name: "second", rank: 8, targets: ["q_proj", "v_proj"], isAdapter: true, ofAdapter: 0,
  });
  expect(seen.ofModel).toBeGreaterThan(0);
});

test("what is no adapter of the engine is refused before it is sent", async ({ doran }) => {
  const codes = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const [engine, other] = [await Engine.load("/model.gguf"), await Engine.load("/model.gguf")];
    const adapter = await other.loadAdapter("/a.gguf");
    const loose: { logits(ids: number[], options: unknown): Promise<unknown> } = engine;
    const failures = await Promise.all([
      { adapters: [{ adapter }] }, { adapters: [{ adapter: { id: 1 } }] }, { adapters: "a" },
    ].map((options) => window.failure(loose.logits([1], options))));
    const scale = await window.failure(other.logits([1], { adapters: [{ adapter, scale: NaN }] }));
    const failed = await window.failure(engine.loadAdapter("/a.gguf?error=lora_mismatch"));
    await engine.unload();
    await other.unload();
    return [...failures, scale, failed].map(({ code }) => code);
  });
  expect(codes).toEqual(["bad_argument", "bad_argument", "bad_argument", "bad_argument", "lora_mismatch"]);
});

test("an adapter on the hub is a GGUF file, or what PEFT saves", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf");
    const urls: string[] = [];
    const options = { hub: "/hub", fetch: (url: string, init: RequestInit) => {
      urls.push(new URL(url).pathname);
      return fetch(url, init);
    } };
    const folder = await engine.loadAdapter("hf:me/adapter", options);
    const pickled = await window.failure(engine.loadAdapter("hf:me/pickled", { hub: "/hub" }));
    await engine.unload();
    return { name: folder.name, urls, pickled: pickled.code };
  });
  expect(seen).toEqual({ name: "hf:me/adapter", urls: ["/hub/api/models/me/adapter/revision/main"], pickled: "unsupported" });
});
