/** `precision`: what it asks for and what it refuses. Which kernels round, and by how much, is for tests/precision.rs. */
import { expect, test } from "./fixture.js";

const MODEL = "/kquant/kq-Q4_K.gguf";

test("fast rounds activations where kernels are forced, and is no choice of a CPU adapter's own", { tag: "@long" }, async ({ doran }) => {
  const seen = await doran.evaluate(async (model) => {
    const logprobs = async (options: object) => {
      const engine = await window.doran.Engine.load(model, { name: "kq", ...options });
      const answer = await window.read(engine.generate(Uint32Array.of(3, 1, 4, 1, 5), { temperature: 0, maxTokens: 6, ignoreEos: true, logprobs: true }));
      const { tuning, decodeDispatches } = await engine.stats();
      await engine.unload();
      return { logprobs: answer.logprobs, activations: tuning?.activations, error: tuning?.tried.find(({ variant }) => variant.endsWith("int8"))?.error, dispatches: decodeDispatches.length };
    };
    return {
      exact: await logprobs({ kernels: "workgroup" }),
      fast: await logprobs({ kernels: "workgroup", precision: "fast" }),
      // Twice: the second load takes the choice that the first one kept.
      first: await logprobs({ precision: "fast" }),
      second: await logprobs({ precision: "fast" }),
      plain: await logprobs({}),
    };
  }, MODEL);
  expect([seen.exact, seen.fast, seen.first, seen.second].map(({ activations }) => activations)).toEqual(["f32", "int8", "f32", "f32"]);
  expect(seen.fast.error).toBeGreaterThan(1e-4);
  expect(seen.fast.error).toBeLessThan(0.015);
  expect(seen.fast.dispatches).toBe(seen.exact.dispatches);
  expect(seen.fast.logprobs).not.toEqual(seen.exact.logprobs);
  expect(seen.first.logprobs).toEqual(seen.plain.logprobs);
  expect(seen.second.logprobs).toEqual(seen.plain.logprobs);
});

test("variants are fixed by name, and others refused with those that there are", async ({ doran }) => {
  const seen = await doran.evaluate(async (model) => {
    const of = async (options: object) => {
      const engine = await window.doran.Engine.load(model, { name: "kq", kernels: "workgroup", ...options });
      const answer = await window.read(engine.generate(Uint32Array.from({ length: 20 }, (_, i) => i * 7 % 60), { temperature: 0, maxTokens: 4, ignoreEos: true }));
      const { tuning } = await engine.stats();
      await engine.unload();
      return { ids: answer.ids, tuning };
    };
    const failure = (variants: object) => window.failure(window.doran.Engine.load(model, { name: "kq", kernels: "workgroup", variants }));
    return {
      plain: await of({}),
      fixed: await of({ variants: { matmul: "rows64", splits: "8", queries: "16", norm: "workgroup 256" } }),
      unknown: await failure({ matmul: "rows7" }),
      noRole: await failure({ matvec: "rows" }),
    };
  }, MODEL);
  expect(seen.fixed.tuning).toMatchObject({ matmul: "rows64", splits: 8, queries: 16, norm: "workgroup", normWorkgroup: 256 });
  expect(seen.fixed.tuning?.tried.map(({ role, right }) => [role, right])).toEqual(["matvec", "matmul", "splits", "queries", "norm"].map((role) => [role, true]));
  expect(seen.plain.tuning).toMatchObject({ matmul: "rows32", splits: 32, queries: 32, norm: "workgroup", normWorkgroup: 64 });
  expect(seen.fixed.ids).toEqual(seen.plain.ids);
  expect(seen.unknown).toMatchObject({ code: "bad_argument", data: { argument: "variants" } });
  expect(seen.noRole).toMatchObject({ code: "bad_argument", data: { argument: "variants" } });
});

test("another precision is refused by name", async ({ doran }) => {
  const seen = await doran.evaluate(async (model) => {
    // What a caller without types may write.
    const options: object = { precision: "quick" };
    return window.failure(window.doran.Engine.load(model, options));
  }, MODEL);
  expect(seen).toMatchObject({ code: "bad_argument", data: { argument: "precision" } });
});
