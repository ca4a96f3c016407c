/** Kernels that the browser does not compile: others stand in for them, or the error names them. `tests/faults/kernels.rs` has more of it. */
import { expect, test } from "./fixture.js";

const MODEL = "/arch/llama/model-f32.gguf";

test("where a kernel does not compile another is taken, at the first load and when it was remembered", { tag: "@long" }, async ({ doran }) => {
  const seen = await doran.evaluate(async (model) => {
    const answer = async (options: object) => {
      const engine = await window.doran.Engine.load(model, options);
      const { ids } = await window.read(engine.generate(Uint32Array.of(3, 7, 11), { temperature: 0, maxTokens: 8, ignoreEos: true }));
      const { tuning } = await engine.stats();
      await engine.unload();
      return { ids, kernels: tuning?.kernels, tried: tuning?.tried };
    };
    const createWorker = (): Worker => new Worker("/with-spoilt-kernels.js?kernel=matvec_rows[", { type: "module" });
    const spoilt = await answer({ createWorker });
    // A worker whose kernels compile takes what was remembered; so does one for which they did and do not any more.
    const remembered = await answer({});
    const other = new Worker("/with-spoilt-kernels.js?kernel=matvec[", { type: "module" });
    const again = await answer({ createWorker: () => other });
    return { spoilt, remembered, again };
  }, MODEL);
  expect(seen.spoilt.kernels).not.toBe("rows");
  expect(seen.spoilt.tried?.some(({ right }) => !right)).toBe(true);
  expect(seen.remembered.kernels).toBe(seen.spoilt.kernels);
  expect(seen.again.kernels).toBe("rows");
  expect(seen.again.ids).toEqual(seen.spoilt.ids);
  expect(seen.remembered.ids).toEqual(seen.spoilt.ids);
});

test("a kernel that does not compile and that nothing stands in for is named, and the next load works", async ({ doran }) => {
  const seen = await doran.evaluate(async (model) => {
    const createWorker = (): Worker => new Worker("/with-spoilt-kernels.js?kernel=sample_best", { type: "module" });
    const error = await window.failure(window.doran.Engine.load(model, { createWorker }));
    const { info } = await window.probe(model, { backend: "webgpu" });
    return { error, architecture: info.architecture };
  }, MODEL);
  expect(seen.error.code).toBe("gpu");
  expect(seen.error.data["kernel"]).toContain("sample_best");
  expect(seen.architecture).toBe("llama");
});

test("what a model took the last time compiles from the start of a load, before there is room for it", async ({ doran }) => {
  const loads = await doran.evaluate(async (model) => {
    const callsOf = async (name: string, store = true): Promise<string[]> => {
      const engine = await window.doran.Engine.load(model, { name, store, createWorker: () => new Worker("/with-calls.js", { type: "module" }) });
      const calls = await new Promise<string[]>((resolve) => {
        const told = new BroadcastChannel("calls-told");
        told.onmessage = ({ data }: MessageEvent<string[]>) => { told.close(); resolve(data); };
        const asks = new BroadcastChannel("calls");
        asks.postMessage("tell");
        asks.close();
      });
      await engine.unload();
      return calls;
    };
    /** Whose kernels are kept. */
    const kept = async (): Promise<string[]> => {
      const cache = await caches.open("doran.tuning");
      const texts = await Promise.all((await cache.keys()).map(async (address) => (await cache.match(address))?.text() ?? "{}"));
      return texts.flatMap((text) => {
        const document: unknown = JSON.parse(text);
        const kernels = typeof document === "object" && document !== null && "kernels" in document ? document.kernels : undefined;
        return Object.keys(kernels ?? {});
      });
    };
    const [first, again, other] = [await callsOf("a"), await callsOf("a"), await callsOf("b")];
    await callsOf("c", false);
    return { first, again, other, kept: await kept() };
  }, MODEL);
  const kernels = (calls: string[]): string[] => calls.filter((call) => call.startsWith("createComputePipelineAsync"));
  const afterRoom = (calls: string[]): number => kernels(calls.slice(calls.findIndex((call) => call.startsWith("createBuffer")))).length;
  const { first, again, other } = loads;
  expect(kernels(again).length).toBeGreaterThan(10);
  expect(new Set(kernels(again)).size).toBe(kernels(again).length);
  // A first load may compile more, to check it.
  expect(kernels(first)).toEqual(expect.arrayContaining(kernels(again)));
  expect([...kernels(other)].sort()).toEqual([...kernels(again)].sort());
  expect(afterRoom(again)).toBe(0);
  expect([first, other].map((calls) => afterRoom(calls) > 0)).toEqual([true, true]);
  // None holds up the browser's other work.
  expect([first, again, other].flat().filter((call) => call.startsWith("createComputePipeline "))).toEqual([]);
  // Of a model that is not stored nothing stays, and of the others no name.
  expect(loads.kept).toHaveLength(2);
  expect(loads.kept).not.toContain("a");
});
