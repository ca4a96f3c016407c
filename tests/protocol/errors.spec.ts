import { expect, test } from "./fixture.js";

test("errors keep their class, code and data on the way", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { DoranError, Engine } = window.doran;
    const bad = await Engine.load("/model.gguf?error=bad_file").catch((error: unknown) => error);
    const engine = await Engine.load("/model.gguf", { context: 20 });
    const overflow = await window.failure(window.collect(engine.generate("a prompt that is longer than the context")));
    const ids = await window.failure(engine.detokenize([0x7fffffff]));
    const loose: { generate(input: unknown): unknown } = engine;
    const shape = await window.failure((async () => loose.generate(42))());
    const unsendable = await window.failure(window.collect(engine.generate([{ role: "user", content: "x", ...{ hook: () => 1 } }])));
    const text = await window.collect(engine.generate("fine"));
    await engine.unload();
    await engine.unload();
    const gone = await window.failure(window.collect(engine.generate("x")));
    return {
      isClass: bad instanceof DoranError, data: bad instanceof DoranError ? bad.data : {}, code: bad instanceof DoranError ? bad.code : "",
      overflow, ids: ids.code, shape: shape.code, unsendable: unsendable.code, text, gone: gone.code,
    };
  });
  expect(seen).toMatchObject({ isClass: true, code: "bad_file", data: { asked: true }, ids: "bad_argument", shape: "bad_argument", gone: "unloaded" });
  expect(seen.overflow).toMatchObject({ code: "context_overflow", data: { context: 20, needed: 40 } });
  expect(seen.unsendable).toBe("bad_argument");
  expect(seen.text).toBe("You said: fine");
});

test("unload ends what runs", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?pace=5");
    const running = window.failure(window.collect(engine.generate("x", { ignoreEos: true })));
    const waiting = window.failure(window.collect(engine.generate("y")));
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    await engine.unload();
    return { running: (await running).code, waiting: (await waiting).code };
  });
  // The running one may still see its own end; neither hangs.
  expect(["unloaded", "none"]).toContain(seen.running);
  expect(seen.waiting).toBe("unloaded");
});

test("an aborted load rejects at once, and the next one works", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const begun = performance.now();
    const aborted = await window.failure(Engine.load("/model.gguf?hang", { signal: AbortSignal.timeout(100) }));
    const ms = performance.now() - begun;
    const already = await window.failure(Engine.load("/model.gguf", { signal: AbortSignal.abort() }));
    const engine = await Engine.load("/model.gguf");
    const text = await window.collect(engine.generate("x"));
    await engine.unload();
    return { aborted: aborted.name, already: already.name, ms, text };
  });
  expect(seen).toMatchObject({ aborted: "TimeoutError", already: "AbortError", text: "You said: x" });
  expect(seen.ms).toBeLessThan(2000);
});

test("a worker that is missing, broken, foreign or old is a typed error", async ({ doran }) => {
  const codes = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const load = (workerUrl: string): Promise<{ code: string; message: string }> => window.failure(Engine.load("/model.gguf", { workerUrl }));
    return {
      missing: await load("/nowhere.js"),
      html: await load("/not-wasm.html"),
      throws: await load("/throws.js"),
      foreign: await load("https://elsewhere.example/worker.js"),
      old: await load("/old.js"),
      fine: await Engine.load("/model.gguf").then((engine) => engine.unload()).then(() => "fine"),
    };
  });
  expect(codes.missing.code).toBe("network");
  expect(codes.missing.message).toContain("/nowhere.js");
  expect(codes.html.code).toBe("network");
  expect(codes.throws.code).toBe("network");
  expect(codes.throws.message).toContain("a broken worker");
  expect(codes.foreign.code).toBe("unsupported");
  expect(codes.old.code).toBe("internal");
  expect(codes.fine).toBe("fine");
});

test("a worker that dies rejects what is pending, and the next load works", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const thrown = await window.failure(Engine.load("/model.gguf?throw"));
    let worker: Worker | undefined;
    const engine = await Engine.load("/model.gguf?pace=5", {
      createWorker: () => (worker = new Worker("/pkg/dist/worker.js", { type: "module" })),
    });
    const running = window.failure(window.collect(engine.generate("x", { ignoreEos: true })));
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    worker?.terminate();
    const killed = await running;
    const later = await window.failure(engine.stats());
    const again = await Engine.load("/model.gguf");
    const text = await window.collect(again.generate("x"));
    await again.unload();
    return { thrown, killed: killed.code, later: later.code, text };
  });
  expect(seen.thrown.code).toBe("internal");
  expect(seen.thrown.message).toContain("asked to throw");
  expect(seen).toMatchObject({ killed: "unloaded", later: "unloaded", text: "You said: x" });
});

test("a WebAssembly module that is missing or something else is a typed error", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const { Engine } = window.doran;
    const load = (wasmUrl: string): ReturnType<typeof window.failure> => window.failure(Engine.load("/model.gguf", { wasmUrl }));
    return {
      missing: await load("/nowhere.wasm"),
      html: await load("/not-wasm.html"),
      redirected: (await Engine.load("/model.gguf", { wasmUrl: "/untyped.wasm" })).info.name,
      storage: (await window.failure(Engine.storage.list({ wasmUrl: "/nowhere.wasm" }))).code,
    };
  });
  expect(seen.missing).toMatchObject({ code: "network", data: { status: 404 } });
  expect(seen.html.code).toBe("network");
  expect(seen.html.message).toContain("text/html");
  expect(seen.redirected).toBe("model.gguf");
  expect(seen.storage).toBe("network");
});

test("the heap's growth during a load is measured from outside", async ({ doran }) => {
  const grown = await doran.evaluate(async () => {
    const engine = await window.doran.Engine.load("/model.gguf?grow=48");
    await engine.unload();
    return engine.info.load.peakWasmBytesGrown;
  });
  expect(grown).toBe(48 * 65536);
});
