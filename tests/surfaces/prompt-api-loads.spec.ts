/** The Prompt API where a model is loaded: how far it is, who shares it, where it lives, and what goes wrong. */
import { expect, SMOLLM2, TEMPLATE, test, TINY, TINY_ENCODER } from "./fixture.js";

const tiny = { model: TINY, loadOptions: { chatTemplate: TEMPLATE }, generate: { maxTokens: 4, ignoreEos: true } };

test("a model is downloadable, downloading, available; all sessions share one load; monitors hear from 0 to 1", async ({ app }) => {
  const seen = await app.evaluate(async (config) => {
    const { createLanguageModel } = window.surfaces.promptApi;
    const LanguageModel = createLanguageModel(config);
    const availability = [await LanguageModel.availability()];
    const heard: { type: string; loaded: number; total: number }[] = [];
    let byAttribute = 0;
    const first = LanguageModel.create({
      monitor: (monitor) => {
        monitor.addEventListener("downloadprogress", (event) => {
          if (event instanceof ProgressEvent) heard.push({ type: event.type, loaded: event.loaded, total: event.total });
        });
        monitor.ondownloadprogress = () => { byAttribute += 1; };
      },
    });
    const second = LanguageModel.create();
    availability.push(await LanguageModel.availability());
    await Promise.all([first, second]);
    availability.push(await LanguageModel.availability());
    await LanguageModel.unload();
    // Another class, as on the next day: the model is stored.
    availability.push(await createLanguageModel(config).availability());
    return { availability, heard, byAttribute };
  }, tiny);
  expect(seen.availability).toEqual(["downloadable", "downloading", "available", "available"]);
  const loaded = seen.heard.map((event) => event.loaded);
  expect(loaded[0]).toBe(0);
  expect(loaded.at(-1)).toBe(1);
  expect(loaded).toEqual([...new Set(loaded)].sort((a, b) => a - b));
  expect(seen.heard.every(({ type, total }) => type === "downloadprogress" && total === 1)).toBe(true);
  expect(seen.byAttribute).toBe(seen.heard.length);
});

test("two sessions of one class run on one engine, and classes of two models on two", async ({ app }) => {
  const workers = (): number => app.workers().length;
  await app.evaluate(async (config) => {
    window.LM = window.surfaces.promptApi.createLanguageModel(config);
    await Promise.all([window.LM.create(), window.LM.create()]);
  }, tiny);
  expect(workers()).toBe(1);
  await app.evaluate(async (config) => { await window.surfaces.promptApi.createLanguageModel(config).create(); }, { ...tiny, model: "/arch/gpt2/model-f32.gguf" });
  expect(workers()).toBe(2);
});

test("an aborted create ends the load where nobody else waits for it, and only there", async ({ app }) => {
  const seen = await app.evaluate(async (config) => {
    const LanguageModel = window.surfaces.promptApi.createLanguageModel(config);
    const [one, other] = [new AbortController(), new AbortController()];
    const aborted = window.rejection(LanguageModel.create({ signal: one.signal }));
    const waits = LanguageModel.create({ signal: other.signal });
    one.abort(new RangeError("mine"));
    const reason = (await aborted).name;
    const answer = await (await waits).prompt("a");
    await LanguageModel.unload();
    const alone = new AbortController();
    const last = window.rejection(LanguageModel.create({ signal: alone.signal }));
    alone.abort();
    return { reason, answered: answer.length > 0, last: (await last).name, after: await LanguageModel.availability() };
  }, { ...tiny, loadOptions: { ...tiny.loadOptions, store: false } });
  expect(seen).toEqual({ reason: "RangeError", answered: true, last: "AbortError", after: "downloadable" });
});

test("a model is unloaded some time after its last session, and loads again for the next; the page's own engine stays", async ({ app }) => {
  const answered = await app.evaluate(async (config) => {
    window.LM = window.surfaces.promptApi.createLanguageModel({ ...config, idleMs: 50 });
    const [a, b] = [await window.LM.create(), await window.LM.create()];
    a.destroy();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answer = await b.prompt("still here");
    b.destroy();
    return answer.length > 0;
  }, tiny);
  expect(answered).toBe(true);
  await expect.poll(() => app.workers().length).toBe(0);
  const again = await app.evaluate(async (config) => {
    const answer = await (await window.LM.create()).prompt("again");
    const engine = await window.surfaces.doran.Engine.load(config.model, config.loadOptions);
    const own = window.surfaces.promptApi.createLanguageModel({ engine, idleMs: 0 });
    (await own.create()).destroy();
    await own.unload();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { again: answer.length > 0, own: (await engine.tokenize("a")).length > 0 };
  }, tiny);
  expect(again).toEqual({ again: true, own: true });
});

test("a model whose worker has ended is not available, and loads again for the next session; the page's own engine is not replaced", async ({ app }) => {
  const seen = await app.evaluate(async (config) => {
    const { doran, promptApi } = window.surfaces;
    const workers: Worker[] = [];
    const Plain = window.Worker;
    window.Worker = class extends Plain {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        workers.push(this);
      }
    };
    /** Ends the worker that was made last; gives what is said once the page has noticed. */
    const endOne = async (LanguageModel: typeof window.LM): Promise<string> => {
      workers.at(-1)?.terminate();
      for (let tries = 0; tries < 100 && await LanguageModel.availability() === "available"; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return LanguageModel.availability();
    };
    const ours = promptApi.createLanguageModel(config);
    const before = await ours.create();
    const ready = await ours.availability();
    const gone = await endOne(ours);
    const answer = await (await ours.create()).prompt("again");
    const old = (await window.rejection(before.prompt("a"))).name;
    await ours.unload();

    const engine = await doran.Engine.load(config.model, config.loadOptions);
    const theirs = promptApi.createLanguageModel({ engine });
    const ownReady = await theirs.availability();
    const ownGone = await endOne(theirs);
    const made = workers.length;
    const ownOld = (await window.rejection(theirs.create().then((session) => session.prompt("a")))).name;
    return { ready, gone, answered: answer.length > 0, old, ownReady, ownGone, ownOld, replaced: workers.length > made };
  }, { ...tiny, loadOptions: { ...tiny.loadOptions, backend: "reference" as const, store: false } });
  expect(seen).toEqual({
    ready: "available", gone: "downloadable", answered: true, old: "InvalidStateError",
    ownReady: "available", ownGone: "unavailable", ownOld: "InvalidStateError", replaced: false,
  });
});

test("loads that fail reject with a DOMException by name, and the next create tries again", async ({ app, address }) => {
  let broken = true;
  await app.context().route(`${address}${TINY}`, (route) => (broken ? route.abort() : route.continue()));
  const first = await app.evaluate(async (config) => {
    const { createLanguageModel } = window.surfaces.promptApi;
    const of = (model: string): Promise<{ name: string; isDomException?: boolean }> => window.rejection(createLanguageModel({ ...config, model }).create());
    window.LM = createLanguageModel(config);
    const noModel = await window.misuse(window.surfaces.promptApi, "createLanguageModel", {});
    const missing = await of("/arch/nothing.gguf");
    return { missing, stored: (await of("no such model")).name, noModel };
  }, tiny);
  expect(first).toMatchObject({ missing: { name: "NetworkError", isDomException: true }, stored: "NotFoundError", noModel: "TypeError" });
  const failing = app.evaluate(() => window.rejection(window.LM.create()));
  // A broken connection is tried again for a while before it counts as a failure.
  await app.waitForTimeout(500);
  broken = false;
  expect((await failing).name).toBe("none");
  const encoder = await app.evaluate((model) => window.rejection(window.surfaces.promptApi.createLanguageModel({ model }).create()), TINY_ENCODER);
  expect(encoder).toMatchObject({ name: "NotSupportedError", isDomException: true });
});

test("it is installed where there is none, or by force, and taken away again", async ({ app }) => {
  const seen = await app.evaluate((config) => {
    const { installLanguageModel } = window.surfaces.promptApi;
    const theirs: unknown = { name: "the browser's own" };
    const [none, browsers] = [{}, { LanguageModel: theirs }];
    const here = installLanguageModel({ ...config, global: none });
    const there = installLanguageModel({ ...config, global: browsers });
    const kept = browsers.LanguageModel === theirs;
    const forced = installLanguageModel({ ...config, global: browsers, force: true });
    const replaced = Reflect.get(browsers, "LanguageModel") === forced.LanguageModel;
    void here.uninstall();
    void forced.uninstall();
    return { here: here.installed, there: there.installed, kept, replaced, gone: !("LanguageModel" in none), back: browsers.LanguageModel === theirs };
  }, tiny);
  expect(seen).toEqual({ here: true, there: false, kept: true, replaced: true, gone: true, back: true });
});

test("a page's own worker answers with a real model", async ({ app }) => {
  const said = await app.evaluate((model) => new Promise((resolve) => {
    const worker = window.surfaces.startWorker();
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage({ model, force: true, generate: { maxTokens: 12 } });
  }), SMOLLM2);
  expect(said).toMatchObject({ installed: true, answer: expect.stringContaining("Paris") });
});

test("a real model answers, remembers, and takes Korean", async ({ app }) => {
  const said = await app.evaluate(async (model) => {
    const { LanguageModel } = window.surfaces.promptApi.installLanguageModel({ model, force: true, generate: { maxTokens: 24 } });
    const session = await LanguageModel.create({
      samplingMode: "most-predictable", expectedInputs: [{ type: "text", languages: ["en", "ko"] }],
      initialPrompts: [{ role: "system", content: "You answer in one short sentence." }],
    });
    const capital = await session.prompt("What is the capital of France?");
    await session.append("My name is Minji.");
    const name = await session.prompt("What is my name?");
    const before = session.contextUsage;
    let korean = "";
    for await (const delta of session.promptStreaming([{ role: "user", content: "안녕하세요? 한국의 수도는 어디인가요?" }])) korean += delta;
    return { capital, name, korean, grew: session.contextUsage - before };
  }, SMOLLM2);
  expect(said.capital).toContain("Paris");
  expect(said.name).toContain("Minji");
  expect(said.korean).not.toContain("\ufffd");
  expect(said.korean.length).toBeGreaterThan(0);
  expect(said.grew).toBeGreaterThan(10);
});
