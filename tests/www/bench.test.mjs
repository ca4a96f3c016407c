/** The benchmark page's plan and figures, and what it takes for a result. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { problems } from "../../benches/result.mjs";
import { importRoom } from "./bundle.mjs";

const plan = await importRoom("bench/plan.ts");
const figures = await importRoom("bench/figures.ts");
// What words ask a page for as they begin.
globalThis.location ??= { search: "?lang=en" };
const { chartsOf } = await importRoom("bench/charts.ts");
const { readResult, fileName } = await importRoom("bench/results.ts");

const planOf = (query) => plan.planOf(new URLSearchParams(query));
const kinds = (query) => plan.stepsOf(planOf(query)).map(({ kind, tokens, context }) => [kind, tokens ?? context].filter((one) => one !== undefined).join(" "));

const ADAPTER = { vendor: "acme", architecture: "gen-9", device: "", description: "", isFallback: false };
const CEILINGS = { vec4LoadsPerSecond: 1e9, bytesReadPerSecond: 16e9, bytesCopiedPerSecond: 8e9, fmaPerSecond: 1e12, microsPerDispatch: 2, microsPerRoundTrip: 100 };
const kernel = (rows, name, ms, more = {}) => ({ rows, kernel: name, dispatches: 3, ms, weightBytes: 0, kvBytes: 0, multiplyAdds: 0, ...more });
const result = (more = {}) => ({ schema: 1, version: "0.1.0", date: "2026-01-31T12:00:00.000Z", device: { adapter: ADAPTER, browser: "Chrome 140" }, ...more });

test("an address narrows a plan, and what it says wrongly is as usual", () => {
  assert.deepEqual(planOf("prefill=128&decode=1024,0,0&tokens=8&runs=1&parts=decode,prefill,nothing"), { parts: ["prefill", "decode"], prefill: [128], decode: [0, 1024], tokens: 8, runs: 1 });
  const usual = planOf("");
  for (const query of ["prefill=0", "prefill=", "prefill=1,x", "decode=-1", "decode=1.5", "tokens=0", "tokens=1e9", "runs=0", "runs=", "parts=", "parts=x", `decode=${Array.from({ length: 17 }, (_, i) => i)}`, "prefill=999999999"]) {
    assert.deepEqual(planOf(query), usual, query);
  }
  assert.deepEqual([usual.prefill, usual.decode, usual.parts.length], [[128, 512, 2048], [0, 1024, 4096], 5]);
});

test("steps are those of the parts; whoever needs a model loads it", () => {
  assert.deepEqual(kinds("parts=ceilings"), ["ceilings"]);
  assert.deepEqual(kinds("parts=load"), ["load", "reload"]);
  assert.deepEqual(kinds("parts=kernels"), ["load", "kernels"]);
  assert.deepEqual(kinds("prefill=128&decode=0,1024"), ["ceilings", "load", "reload", "warmUp", "prefill 128", "decode 0", "decode 1024", "kernels"]);
});

test("a context has room for all that is measured, as far as the model takes it", () => {
  const usual = planOf("");
  assert.equal(plan.contextFor(usual, 8192), 4160);
  assert.equal(plan.contextFor(usual, 2048), 2048);
  assert.equal(plan.contextFor(planOf("parts=prefill&prefill=64"), 8192), 128);
  const skip = (step, context, kind = "decoder") => plan.skipOf(step, usual, { context, kind });
  assert.equal(skip({ kind: "decode", context: 4096 }, 4128), undefined);
  assert.deepEqual(skip({ kind: "decode", context: 4096 }, 4127), { why: "context", context: 4127 });
  assert.equal(skip({ kind: "prefill", tokens: 2048 }, 2049), undefined);
  assert.deepEqual(skip({ kind: "prefill", tokens: 2048 }, 2048), { why: "context", context: 2048 });
  assert.deepEqual(skip({ kind: "prefill", tokens: 8 }, 512, "encoder"), { why: "kind" });
  assert.equal(skip({ kind: "kernels" }, 512, "encoder"), undefined);
  assert.deepEqual(skip({ kind: "kernels" }, 511), { why: "context", context: 511 });
});

test("no two prompts begin alike, and all ids are of the vocabulary", () => {
  const prompts = Array.from({ length: 200 }, (_, run) => plan.promptOf(run + 1, 40, 1000));
  assert.equal(new Set(prompts.map(([first]) => first)).size, 200);
  assert.ok(prompts.every((ids) => ids.length === 40 && ids.every((id) => id < 1000)));
  assert.deepEqual(plan.promptOf(3, 40, 1000), prompts[2]);
});

test("progress is that of all steps, and of the one that runs", () => {
  const states = (...all) => all.map(([state, fraction]) => ({ step: { kind: "load" }, state, ...(fraction === undefined ? {} : { fraction }) }));
  assert.equal(plan.doneOf([]), 0);
  assert.equal(plan.doneOf(states(["done"], ["running", 0.5], ["waiting"], ["skipped"])), 0.625);
});

test("a limit is bandwidth by the bytes of a token; without either there is none", () => {
  const decode = { context: 0, tokens: 8, tps: 20, weightBytes: 7e7, kvBytes: 1e7 };
  assert.equal(figures.limitOf(result({ ceilings: CEILINGS }), decode), 200);
  assert.equal(figures.limitOf(result(), decode), undefined);
  const uncounted = { context: 0, tokens: 8, tps: 20 };
  assert.equal(figures.limitOf(result({ ceilings: CEILINGS }), uncounted), undefined);
  assert.equal(figures.limitOf(result({ ceilings: CEILINGS, countersPerToken: { weightBytesRead: 8e7 } }), uncounted), 200);
  assert.equal(figures.limitOf(result({ ceilings: CEILINGS }), { ...decode, weightBytes: 0 }), undefined);
});

test("a kernel's share is of what bounds it: loads, bytes or multiply-adds", () => {
  assert.equal(figures.shareOf(kernel(1, "a", 10, { weightBytes: 8e7 }), CEILINGS), 0.5);
  assert.equal(figures.shareOf(kernel(1, "a", 10, { weightBytes: 8e7, multiplyAdds: 8e9 }), CEILINGS), 0.8);
  assert.equal(figures.shareOf(kernel(1, "a", 10), CEILINGS), undefined);
  assert.equal(figures.shareOf(kernel(1, "a", 0, { weightBytes: 1 }), CEILINGS), undefined);
});

test("kernels are stacked by operation, a stack for each step; the small ones are one", () => {
  const kernels = [kernel(1, "matvec[q4_1,f32]", 3), kernel(1, "matvec[q8_0,f32]", 1), kernel(1, "rms_norm", 1), kernel(1, "rope", 0.5), kernel(64, "matmul[q4_1]", 90), kernel(64, "rope", 2)];
  assert.deepEqual(figures.kernelStacks(kernels, 2), [
    { rows: 1, ms: 5.5, portions: [{ name: "matvec", ms: 4 }, { name: undefined, ms: 1.5 }] },
    { rows: 64, ms: 92, portions: [{ name: "matmul", ms: 90 }, { name: undefined, ms: 2 }] },
  ]);
  assert.deepEqual(figures.kernelStacks([]), []);
});

test("memory adds up, whatever is known apart", () => {
  assert.deepEqual(figures.memoryParts({ gpuBytes: 100, weightsBytes: 70, kvBytes: 20 }), { weights: 70, kv: 20, rest: 10 });
  assert.deepEqual(figures.memoryParts({ gpuBytes: 100 }), { weights: 0, kv: 0, rest: 100 });
  assert.deepEqual(figures.memoryParts({ gpuBytes: 100, weightsBytes: 90, kvBytes: 20 }), { weights: 90, kv: 10, rest: 0 });
});

test("counts are for one token, and states are none", () => {
  assert.deepEqual(figures.perToken({ submits: 8, dispatches: 1680, gpuBytes: 5, liveObjects: 2 }, 8), { submits: 1, dispatches: 210 });
});

test("the median is a value that was measured", () => {
  assert.equal(figures.median([3, 1, 2]), 2);
  assert.equal(figures.median([10, 9]), 10);
});

test("devices go by the name that says most", () => {
  const name = (adapter) => figures.deviceName(result({ device: { adapter: { ...ADAPTER, ...adapter }, browser: "" } }));
  assert.equal(name({}), "acme gen-9");
  assert.equal(name({ device: "0x1", description: "Acme 9000" }), "Acme 9000");
  assert.equal(name({ vendor: "", architecture: "" }), "?");
});

test("a row has a value of each result, and none is empty", () => {
  const one = result({ ceilings: CEILINGS, prefill: [{ promptTokens: 128, tps: 400 }], decode: [{ context: 0, tokens: 8, tps: 20, weightBytes: 8e7, kvBytes: 0 }] });
  const other = result({ decode: [{ context: 0, tokens: 8, tps: 10 }, { context: 512, tokens: 8, tps: 9 }], kernels: [kernel(1, "rope", 2)] });
  const rows = figures.rowsOf([one, other]);
  const values = (of, context) => rows.find(({ measure }) => measure.of === of && measure.context === context)?.values;
  assert.deepEqual(values("decode", 0), [20, 10]);
  assert.deepEqual(values("decode", 512), [undefined, 9]);
  assert.deepEqual(values("limit", 0), [200, undefined]);
  assert.deepEqual(values("share", 0), [0.1, undefined]);
  assert.deepEqual(values("step"), [undefined, 2]);
  assert.ok(rows.every((row) => row.values.length === 2 && row.values.some((value) => value !== undefined)));
  assert.equal(figures.commonContext([one, other]), 0);
  assert.equal(figures.commonContext([]), undefined);
});

test("a file is a result, or it is said why not", () => {
  const good = result({ decode: [{ context: 0, tokens: 8, tps: 20, weightBytes: 7, kvBytes: 1 }], memory: { gpuBytes: 9, weightsBytes: 7, kvBytes: 1 }, model: { name: "m", bytes: 7, precision: "fast" }, kernels: [], kernelsContext: 511 });
  assert.deepEqual(problems(good), []);
  assert.deepEqual(readResult("a.json", JSON.stringify(good)), { result: good });
  assert.deepEqual(readResult("a.json", "{"), { refused: { file: "a.json", why: "json" } });
  const wrong = (value) => readResult("a.json", JSON.stringify(value)).refused;
  assert.deepEqual([wrong([]).why, wrong(null).why], ["shape", "shape"]);
  assert.match(wrong({ ...good, decode: [{ context: 0, tokens: 8, tps: "20" }] }).detail, /decode\.0\.tps/);
  assert.match(wrong({ ...good, memory: { gpuBytes: 9, kvBytes: "1" } }).detail, /memory\.kvBytes/);
  assert.match(wrong({ ...good, model: { name: "m", bytes: 7, precision: "<b>" } }).detail, /model\.precision/);
  assert.equal(fileName(good, "json"), "doran-bench-2026-01-31T12-00-00.json");
});

test("results of one device have the same names in every chart, whatever of them it shows", () => {
  const memory = { gpuBytes: 3e8 };
  const decode = [{ context: 0, tokens: 8, tps: 10 }, { context: 1024, tokens: 8, tps: 8 }];
  const charts = chartsOf([result({ memory }), result({ memory, decode }), result({ memory, decode })]);
  const of = (wanted) => charts.find(({ id }) => id === wanted);
  assert.deepEqual(of("memory").labels, ["acme gen-9 (1)", "acme gen-9 (2)", "acme gen-9 (3)"]);
  assert.deepEqual(of("decode").labels, ["acme gen-9 (2)", "acme gen-9 (3)"]);
  assert.deepEqual(of("context").series.map(({ name }) => name), ["acme gen-9 (2)", "acme gen-9 (3)"]);
});
