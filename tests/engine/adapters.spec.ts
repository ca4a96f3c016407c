/** LoRA adapters beside a running model: what requests name is what PEFT computes, and what is unloaded is free. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/util.mjs";
import { expect, test } from "./fixture.js";

const MODEL = "/arch/llama/model-f32.gguf";
const GGUF = "/adapters/llama/plain.gguf";
const FOLDER = ["adapter_config.json", "adapter_model.safetensors"].map((path) => ({ path, url: `/adapters/llama/patterns/${path}` }));

interface Run {
  readonly adapters: Readonly<Record<string, number>>;
  readonly last_logits: readonly number[];
  readonly greedy: readonly number[];
}

function isGolden(value: unknown): value is { readonly ids: readonly number[]; readonly runs: readonly Run[] } {
  return typeof value === "object" && value !== null && "ids" in value && "runs" in value;
}

function golden(): { readonly ids: readonly number[]; readonly runs: readonly Run[] } {
  const parsed: unknown = JSON.parse(readFileSync(join(ROOT, "tests/fixtures/adapters/llama/golden.json"), "utf8"));
  if (!isGolden(parsed)) throw new Error("the golden of the adapters has no runs");
  return parsed;
}
const { ids, runs } = golden();

test("switched, scaled and stacked by request, the logits and texts are PEFT's, and going back makes nothing", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, gguf, files, ids, scales }) => {
    const engine = await window.doran.Engine.load(model, { kvCache: "f32" });
    const phases: string[] = [];
    const plain = await engine.loadAdapter(gguf, { onProgress: ({ phase }) => { phases.push(phase); } });
    const patterns = await engine.loadAdapter({ files });
    const named = { plain, patterns };
    const use = (of: Readonly<Record<string, number>>) => Object.entries(of).map(([name, scale]) => (
      { adapter: name === "plain" ? named.plain : named.patterns, scale }
    ));
    const run = async (of: Readonly<Record<string, number>>) => {
      const { lastLogits, top1 } = await engine.logits(ids, { adapters: use(of) });
      const prompt = Uint32Array.from(ids.slice(0, 8));
      const { ids: greedy } = await window.read(engine.generate(prompt, { temperature: 0, maxTokens: 8, ignoreEos: true, adapters: use(of) }));
      return { lastLogits: [...lastLogits], top1: [...top1], greedy };
    };
    const first = [];
    for (const of of scales) first.push(await run(of));
    const before = (await engine.stats()).counters;
    const again = [];
    for (const of of [...scales].reverse()) again.unshift(await run(of));
    const after = (await engine.stats()).counters;
    const nll = [...await engine.nll(ids, { adapters: use({ plain: 1 }) })].reduce((sum, x) => sum + x, 0);
    const bare = [...await engine.nll(ids)].reduce((sum, x) => sum + x, 0);
    const facts = [plain, patterns].map(({ name, title, rank, bytes, targets, modules }) => ({ name, title, rank, bytes, targets: [...targets], modules }));
    await engine.unload();
    return {
      first, again, phases, facts, nll, bare,
      made: [after.created - before.created, (after.pipelines ?? 0) - (before.pipelines ?? 0), after.gpuBytes - before.gpuBytes],
    };
  }, { model: MODEL, gguf: GGUF, files: FOLDER, ids, scales: runs.map(({ adapters }) => adapters) });
  for (const [i, { last_logits, greedy }] of runs.entries()) {
    const off = Math.max(...last_logits.map((logit, j) => Math.abs(logit - (seen.first[i]?.lastLogits[j] ?? NaN))));
    expect(off, `run ${i}: the largest error of a logit`).toBeLessThan(2e-4);
    expect(seen.first[i]?.greedy, `run ${i}`).toEqual(greedy);
  }
  expect(seen.again).toEqual(seen.first);
  expect(seen.made).toEqual([0, 0, 0]);
  expect(seen.phases.at(-1)).toBe("ready");
  expect(Math.abs(seen.nll - seen.bare)).toBeGreaterThan(1);
  expect(seen.facts).toMatchObject([
    { name: expect.stringMatching(/plain\.gguf$/), title: "plain", rank: 4, modules: 21, targets: ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"] },
    { rank: 5, modules: 10, targets: ["lm_head", "q_proj", "up_proj", "v_proj"] },
  ]);
  for (const { bytes } of seen.facts) expect(bytes).toBeGreaterThan(10_000);
});

test("an adapter is loaded and another unloaded while an answer is under way, which stays what it was", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, gguf, files, prompt }) => {
    const engine = await window.doran.Engine.load(model, { kvCache: "f32" });
    const options = { temperature: 0, maxTokens: 48, ignoreEos: true };
    const input = Uint32Array.from(prompt);
    const plain = await engine.loadAdapter(gguf);
    const adapters = [{ adapter: plain }];
    const wanted = (await window.read(engine.generate(input, { ...options, adapters }))).ids;
    const bare = (await window.read(engine.generate(input, options))).ids;

    const before = (await engine.stats()).counters;
    const running = engine.generate(input, { ...options, adapters });
    const got: number[] = [];
    let loading: ReturnType<typeof engine.loadAdapter> | undefined;
    let unloading: Promise<void> | undefined;
    for await (const item of running) {
      if (item.finishReason === undefined) got.push(item.id);
      // The load goes on beside the answer; the unload waits for its end.
      loading ??= engine.loadAdapter({ files });
      unloading ??= plain.unload();
    }
    const other = await loading;
    await unloading;
    const gone = await window.failure(window.read(engine.generate(input, { ...options, adapters })));
    await other?.unload();
    await other?.unload();
    const after = (await engine.stats()).counters;
    const last = (await window.read(engine.generate(input, options))).ids;
    await engine.unload();
    return { wanted, bare, got, gone: gone.code, last, freed: before.gpuBytes - after.gpuBytes, adapterBytes: plain.bytes };
  }, { model: MODEL, gguf: GGUF, files: FOLDER, prompt: ids.slice(0, 8) });
  expect(seen.got).toEqual(seen.wanted);
  expect(seen.bare).not.toEqual(seen.wanted);
  expect(seen.last).toEqual(seen.bare);
  expect(seen.gone).toBe("unloaded");
  expect(seen.freed).toBeGreaterThanOrEqual(seen.adapterBytes);
});

test("a prompt is cached for the same adapters and scales only", async ({ doran }) => {
  const cached = await doran.evaluate(async ({ model, gguf, ids }) => {
    const engine = await window.doran.Engine.load(model);
    const adapter = await engine.loadAdapter(gguf);
    const ask = async (scale?: number) => {
      const adapters = scale === undefined ? [] : [{ adapter, scale }];
      return (await window.read(engine.generate(Uint32Array.from(ids), { temperature: 0, maxTokens: 2, ignoreEos: true, adapters }))).end.usage.cachedTokens;
    };
    const seen = [await ask(), await ask(1), await ask(1), await ask(0.5), await ask(0), await ask()];
    await engine.unload();
    return seen;
  }, { model: MODEL, gguf: GGUF, ids });
  const n = ids.length - 1;
  expect(cached).toEqual([0, 0, n, 0, 0, n]);
});

test("what does not fit is a typed error that names what, and leaves nothing", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, gguf, files }) => {
    const { Engine } = window.doran;
    const phi3 = await Engine.load("/arch/phi3/model-f32.gguf");
    const before = (await phi3.stats()).counters.gpuBytes;
    const architecture = await window.failure(phi3.loadAdapter(gguf));
    const tensor = await window.failure(phi3.loadAdapter({ files }));
    const model_ = await window.failure(phi3.loadAdapter("/arch/phi3/model-f32.gguf", { store: false }));
    const after = (await phi3.stats()).counters.gpuBytes;
    const llama = await Engine.load(model);
    const adapter = await llama.loadAdapter(gguf);
    const foreign = await window.failure(phi3.logits([1, 2, 3], { adapters: [{ adapter }] }));
    const thrown = (() => {
      try {
        phi3.generate("x", { adapters: [{ adapter }] });
        return "nothing";
      } catch (error) {
        return error instanceof window.doran.DoranError ? error.code : String(error);
      }
    })();
    const twice = await window.failure(llama.logits([1, 2, 3], { adapters: [{ adapter }, { adapter }] }));
    const endless = await window.failure(llama.logits([1, 2, 3], { adapters: [{ adapter, scale: Infinity }] }));
    const signal = AbortSignal.abort(new Error("enough"));
    const aborted = await window.failure(llama.loadAdapter(gguf, { signal }));
    const fine = (await llama.logits([1, 2, 3], { adapters: [{ adapter }] })).lastLogits.length;
    await phi3.unload();
    await llama.unload();
    const dead = await window.failure(llama.loadAdapter(gguf));
    return { architecture, tensor, model_, foreign, thrown, twice, endless, aborted: aborted.message, fine, dead: dead.code, grown: after - before };
  }, { model: MODEL, gguf: GGUF, files: FOLDER });
  expect(seen.architecture).toMatchObject({ code: "lora_mismatch", data: { what: "architecture llama" } });
  expect(seen.tensor).toMatchObject({ code: "lora_mismatch", data: { tensor: expect.stringContaining("model.layers.0.") } });
  expect(seen.model_).toMatchObject({ code: "unsupported", data: { what: "GGUF type model" } });
  for (const failure of [seen.foreign, seen.twice, seen.endless]) expect(failure).toMatchObject({ code: "bad_argument", data: { argument: "adapters" } });
  expect(seen).toMatchObject({ thrown: "bad_argument", aborted: "enough", dead: "unloaded", grown: 0 });
  expect(seen.fine).toBeGreaterThan(100);
});

test("an adapter is stored, and comes again without the network", async ({ doran }) => {
  const seen = await doran.evaluate(async ({ model, files }) => {
    const engine = await window.doran.Engine.load(model);
    const first = await engine.loadAdapter({ files }, { name: "mine" });
    const listed = (await window.doran.Engine.storage.list()).filter(({ name }) => name === "mine").map(({ complete }) => complete);
    const second = await engine.loadAdapter("mine");
    const [a, b] = [await engine.logits([1, 2, 3], { adapters: [{ adapter: first }] }), await engine.logits([1, 2, 3], { adapters: [{ adapter: second }] })];
    await engine.unload();
    return {
      listed, downloaded: [first.bytesDownloaded > 0, second.bytesDownloaded], stored: second.bytesFromStore > 0,
      same: a.lastLogits.every((x, i) => x === b.lastLogits[i]),
    };
  }, { model: MODEL, files: FOLDER });
  expect(seen).toEqual({ listed: [true], downloaded: [true, 0], stored: true, same: true });
});
