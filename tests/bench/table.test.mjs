/** `node --test`: what `npm run bench` makes of figures, on a small recorded result in which one peer failed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { browserOf, isResult, problems } from "../../benches/result.mjs";
import { fileName, markdown, perToken, speeds, withShares } from "../../scripts/lib/bench-table.mjs";

const recorded = () => JSON.parse(readFileSync(new URL("result.json", import.meta.url), "utf8"));
/** The cells of a table's row that begins so. */
const cells = (table, ...begin) => table.split("\n").map((line) => line.split(" | ").map((text) => text.replaceAll(/^\| | \|$/g, "")))
  .find((row) => begin.every((text, i) => row[i] === text));

test("a recorded result is one, and what is spoilt in it is named", () => {
  assert.deepEqual(problems(recorded()), []);
  const spoilt = {
    "schema is not one of 1": (result) => { result.schema = 2; },
    "version is missing": (result) => { delete result.version; },
    "date is not a date such as 2026-01-31T12:00:00.000Z": (result) => { result.date = "yesterday"; },
    "device.adapter.isFallback is neither true nor false": (result) => { result.device.adapter.isFallback = "yes"; },
    "prefill.1.tps is not a number above 0": (result) => { result.prefill[1].tps = null; },
    "decode is not a list of at most 1000": (result) => { result.decode = { length: 1 }; },
    "kernels.0.share is not a number from 0 on": (result) => { result.kernels[0].share = -1; },
    "countersPerToken.dispatches is not a number from 0 on": (result) => { result.countersPerToken.dispatches = "187"; },
    "load.cold.ms is missing": (result) => { result.load.cold = {}; },
    "peers.slow.runs.0.failed is not a text of at most 1000 characters": (result) => { result.peers.slow.runs[0].failed = true; },
  };
  for (const [sentence, spoil] of Object.entries(spoilt)) {
    const result = recorded();
    spoil(result);
    assert.deepEqual(problems(result), [sentence]);
  }
  for (const none of [undefined, null, 1, "", []]) assert.deepEqual([isResult(none), problems(none)], [false, ["the result is not an object"]]);
});

test("parts that were not measured may be absent, and then are not in the table", () => {
  const { schema, version, date, device } = recorded();
  assert.ok(isResult({ schema, version, date, device }));
  const table = markdown({ schema, version, date, device });
  assert.ok(table.startsWith("# doran 0.1.0, 2026-11-27\n"));
  assert.ok(!table.includes("##"));
});

test("the table has every figure, peers beside doran at the same length, and what did not finish", () => {
  const table = markdown(recorded());
  assert.deepEqual(cells(table, "adapter"), ["adapter", "google, swiftshader (software)"]);
  assert.deepEqual(cells(table, "cold load"), ["cold load", "2.8 s"]);
  assert.deepEqual(cells(table, "loads of four words a second"), ["loads of four words a second", "237 M"]);
  assert.deepEqual(cells(table, "prefill of 475"), ["prefill of 475", "34", "33 to 35"]);
  assert.deepEqual(cells(table, "decode at 1000, 32 tokens"), ["decode at 1000, 32 tokens", "10.5", "10 to 11"]);
  assert.deepEqual(cells(table, "1"), ["1", "`matvec_rows[q4_1]`", "180", "43.7", "40 %"]);
  assert.deepEqual(cells(table, "dispatches"), ["dispatches", "187"]);
  assert.deepEqual(cells(table, "wllama-1-thread", "prefill of 475"), ["wllama-1-thread", "prefill of 475", "20", "34", "1.7"]);
  assert.deepEqual(cells(table, "wllama-1-thread", "decode at 475"), ["wllama-1-thread", "decode at 475", "10", "13", "1.3"]);
  assert.deepEqual(cells(table, "wllama-1-thread", "cold load"), ["wllama-1-thread", "cold load", "1.9", "2.8", "0.679"]);
  assert.deepEqual(cells(table, "wllama-1-thread", "warm load"), ["wllama-1-thread", "warm load", "3.3", "2.2", "1.5"]);
  assert.equal(cells(table, "slow", "warm load"), undefined);
  assert.deepEqual(cells(table, "slow", "prefill of 42"), ["slow", "prefill of 42", "4", "36", "9"]);
  assert.equal(cells(table, "slow", "prefill of 475"), undefined);
  assert.deepEqual(cells(table, "slow", "did not finish within 300 s (1 of 2 runs)")?.slice(0, 2), ["slow", "did not finish within 300 s (1 of 2 runs)"]);
  const never = recorded();
  never.peers.slow.runs = [{ prefill: [], decode: [], failed: "the page | crashed" }];
  assert.match(markdown(never), /^\| slow \| the page \\\| crashed \|/m);
});

test("speeds are medians of runs, a case without an answer has no decode", () => {
  const cases = { short: { promptTokens: 4, decodeTokens: 2 }, middle: { promptTokens: 8, decodeTokens: 0 } };
  const times = { short: [3, 1, 2].map((n) => ({ prefillTps: n, decodeTps: n * 10 })), middle: [{ prefillTps: 5 }] };
  assert.deepEqual(speeds(cases, times), {
    prefill: [{ promptTokens: 4, tps: 2, tpsOfRuns: [3, 1, 2] }, { promptTokens: 8, tps: 5, tpsOfRuns: [5] }],
    decode: [{ context: 4, tokens: 2, tps: 20, tpsOfRuns: [30, 10, 20] }],
  });
});

test("counts a token are what a longer answer adds, of what is counted", () => {
  const shorter = { dispatches: 100, submits: 5, gpuBytes: 7, liveObjects: 3, pipelines: 1 };
  assert.deepEqual(perToken(shorter, { dispatches: 500, submits: 7, gpuBytes: 7, liveObjects: 3, pipelines: 1 }, 2), { dispatches: 200, submits: 1 });
});

test("a kernel's share is of the ceiling that bounds it", () => {
  const ceilings = { vec4LoadsPerSecond: 1e6, bytesReadPerSecond: 32e6, fmaPerSecond: 1e9 };
  const kernel = (bytes, multiplyAdds) => ({ ms: 10, weightBytes: bytes, kvBytes: 0, multiplyAdds });
  const shares = withShares([kernel(16e3, 0), kernel(16e3, 8e6), kernel(0, 0)], ceilings).map(({ share }) => share);
  assert.deepEqual(shares, [0.1, 0.8, undefined]);
});

test("files are named by day and adapter, whatever a driver calls itself", () => {
  const named = (adapter) => fileName({ date: "2026-11-27T01:02:03.000Z", device: { adapter: { vendor: "", architecture: "", description: "", isFallback: false, ...adapter } } });
  assert.equal(named({ vendor: "google", architecture: "swiftshader", isFallback: true }), "2026-11-27-swiftshader");
  assert.equal(named({ vendor: "nvidia", architecture: "ampere" }), "2026-11-27-nvidia-ampere");
  assert.equal(named({ description: "../Radeon (TM) 9/" }), "2026-11-27-radeon-tm-9");
  assert.equal(named({}), "2026-11-27-unknown");
});

test("browsers are named by what they are, not by what they come from", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.equal(browserOf(chrome), "Chrome 156");
  assert.equal(browserOf(chrome.replace("Chrome", "HeadlessChrome")), "Chrome 156");
  assert.equal(browserOf(`${chrome} Edg/156.0.0.0`), "Edge 156");
  assert.equal(browserOf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"), "Safari 26.1");
  assert.equal(browserOf("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"), "Firefox 145");
  assert.equal(browserOf("curl"), "curl");
});
