/**
 * What a benchmark's result is, for whoever writes, reads or imports one: `npm run bench`, the demo's page, a stranger's file.
 * README.md beside this has the shape in words. It needs nothing, in Node and in pages alike.
 */

/** The number of this shape. It rises when an old reader would misread a new result; further keys do not change it. */
export const SCHEMA = 1;

/**
 * @typedef {object} Adapter What WebGPU says of the graphics processor.
 * @property {string} vendor
 * @property {string} architecture
 * @property {string} device
 * @property {string} description
 * @property {boolean} isFallback A software adapter.
 * @property {readonly string[]} [features]
 */
/** @typedef {{ adapter: Adapter, browser: string }} Device `browser`: name and version. */
/**
 * @typedef {object} Model
 * @property {string} name
 * @property {number} bytes Of its files.
 * @property {number} [parameters]
 * @property {"exact" | "fast"} [precision] As `Engine.load` was asked for; `exact` where it is not said.
 */
/**
 * @typedef {object} Ceilings What the adapter does at most.
 * @property {number} vec4LoadsPerSecond
 * @property {number} bytesReadPerSecond
 * @property {number} bytesCopiedPerSecond
 * @property {number} fmaPerSecond
 * @property {number} [dot4ProductsPerSecond]
 * @property {number} microsPerDispatch
 * @property {number} microsPerRoundTrip
 */
/** @typedef {{ ms: number, bytesDownloaded?: number, bytesFromStore?: number, times?: Record<string, number> }} Load */
/** @typedef {{ cold?: Load, warm?: Load }} Loads `cold`: nothing stored. `warm`: the model is in the browser's storage. */
/** @typedef {{ promptTokens: number, tps: number, tpsOfRuns?: readonly number[] }} Prefill `tps`: the median of the runs. */
/**
 * @typedef {object} Decode
 * @property {number} context Tokens before those that were decoded.
 * @property {number} tokens How many were decoded.
 * @property {number} tps The median of the runs.
 * @property {readonly number[]} [tpsOfRuns]
 * @property {number} [weightBytes] What kernels read of weights for a token.
 * @property {number} [kvBytes] What they read of keys and values for a token there.
 */
/**
 * @typedef {object} Kernel A kernel in a step of `rows`, by `engine.profile`.
 * @property {number} rows
 * @property {string} kernel
 * @property {number} dispatches
 * @property {number} ms
 * @property {number} weightBytes
 * @property {number} kvBytes
 * @property {number} multiplyAdds
 * @property {number} [share] Of the ceiling that bounds it, from 0 on; 1 is all of it.
 */
/** @typedef {{ gpuBytes: number, weightsBytes?: number, kvBytes?: number, peakWasmBytesGrown?: number }} Memory Of `gpuBytes` those of weights, and of keys and values. */
/** @typedef {{ loadMs?: number, warmMs?: number, prefill: readonly Prefill[], decode: readonly Decode[], failed?: string }} PeerRun `failed`: why it ended early. */
/**
 * @typedef {object} Peer Another package in the same run.
 * @property {string} package
 * @property {string} version
 * @property {"wasm" | "webgpu"} device
 * @property {number} [threads]
 * @property {string} model
 * @property {readonly PeerRun[]} runs
 */
/**
 * @typedef {object} Result A part that was not measured is absent.
 * @property {1} schema
 * @property {string} version Of doran.
 * @property {string} date ISO 8601, UTC.
 * @property {number} [runs] How many of each case.
 * @property {number} [loadAverage] Of the machine, before: above 0.3 others had a part of it.
 * @property {Device} device
 * @property {Model} [model]
 * @property {Ceilings} [ceilings]
 * @property {Loads} [load]
 * @property {readonly Prefill[]} [prefill]
 * @property {readonly Decode[]} [decode]
 * @property {readonly Kernel[]} [kernels]
 * @property {number} [kernelsContext] Tokens before the step that `kernels` is of.
 * @property {Record<string, number>} [countersPerToken] Of `engine.stats().counters`, for one decoded token.
 * @property {Memory} [memory]
 * @property {Record<string, Peer>} [peers]
 */

/** @typedef {[place: string, sentence: string][]} Wrong What is wrong, and where. */
/** @typedef {(value: unknown) => Wrong} Check */
/** @typedef {Record<string, Check>} Shape */

/** @type {(is: (value: unknown) => boolean, sentence: string) => Check} */
const check = (is, sentence) => (value) => (is(value) ? [] : [["", sentence]]);
const text = check((value) => typeof value === "string" && value.length <= 1000, "is not a text of at most 1000 characters");
const truth = check((value) => typeof value === "boolean", "is neither true nor false");
const amount = check((value) => isNumber(value) && value >= 0, "is not a number from 0 on");
const positive = check((value) => isNumber(value) && value > 0, "is not a number above 0");
const whole = check((value) => isNumber(value) && Number.isSafeInteger(value) && value >= 0, "is not a whole number from 0 on");
const date = check((value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) && isNumber(Date.parse(value)),
  "is not a date such as 2026-01-31T12:00:00.000Z");
/** @type {(...words: (string | number)[]) => Check} */
const oneOf = (...words) => check((value) => words.some((word) => word === value), `is not one of ${words.join(", ")}`);

/** @type {(value: unknown) => value is number} */
function isNumber(value) {
  return Number.isFinite(value);
}

/** @type {(value: unknown) => value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @type {(place: string, found: Wrong) => Wrong} */
const inside = (place, found) => found.map(([rest, sentence]) => [rest === "" ? place : `${place}.${rest}`, sentence]);
/** At most so many: a file may come from anyone. */
const MOST = 1000;
/** @type {(each: Check) => Check} */
const list = (each) => (value) => (Array.isArray(value) && value.length <= MOST
  ? value.flatMap((one, i) => inside(String(i), each(one)))
  : [["", `is not a list of at most ${MOST}`]]);
/** @type {(each: Check) => Check} */
const table = (each) => (value) => (isObject(value) && Object.keys(value).length <= MOST
  ? Object.entries(value).flatMap(([key, one]) => inside(key, each(one)))
  : [["", `is not an object of at most ${MOST} keys`]]);
/** @type {(needed: Shape, optional?: Shape) => Check} */
const object = (needed, optional = {}) => (value) => {
  if (!isObject(value)) return [["", "is not an object"]];
  // What is `undefined` here is absent once it is JSON.
  const has = (/** @type {string} */ key) => Object.hasOwn(value, key) && value[key] !== undefined;
  const missing = Object.keys(needed).filter((key) => !has(key));
  const present = Object.entries({ ...needed, ...optional }).filter(([key]) => has(key));
  return [...missing.map((key) => /** @type {Wrong[number]} */ ([key, "is missing"])), ...present.flatMap(([key, one]) => inside(key, one(value[key])))];
};

const ADAPTER = object({ vendor: text, architecture: text, device: text, description: text, isFallback: truth }, { features: list(text) });
const PREFILL = object({ promptTokens: whole, tps: positive }, { tpsOfRuns: list(positive) });
const DECODE = object({ context: whole, tokens: whole, tps: positive }, { tpsOfRuns: list(positive), weightBytes: amount, kvBytes: amount });
const LOAD = object({ ms: positive }, { bytesDownloaded: whole, bytesFromStore: whole, times: table(amount) });
const KERNEL = object(
  { rows: whole, kernel: text, dispatches: whole, ms: amount, weightBytes: whole, kvBytes: whole, multiplyAdds: whole },
  { share: amount },
);
const CEILINGS = object({
  vec4LoadsPerSecond: positive, bytesReadPerSecond: positive, bytesCopiedPerSecond: positive, fmaPerSecond: positive,
  microsPerDispatch: positive, microsPerRoundTrip: positive,
}, { dot4ProductsPerSecond: positive });
const PEER = object({
  package: text, version: text, device: oneOf("wasm", "webgpu"), model: text,
  runs: list(object({ prefill: list(PREFILL), decode: list(DECODE) }, { loadMs: positive, warmMs: positive, failed: text })),
}, { threads: whole });
const RESULT = object({
  schema: oneOf(SCHEMA), version: text, date,
  device: object({ adapter: ADAPTER, browser: text }),
}, {
  runs: whole, loadAverage: amount, model: object({ name: text, bytes: whole }, { parameters: whole, precision: oneOf("exact", "fast") }), ceilings: CEILINGS,
  load: object({}, { cold: LOAD, warm: LOAD }), prefill: list(PREFILL), decode: list(DECODE), kernels: list(KERNEL), kernelsContext: whole,
  countersPerToken: table(amount), memory: object({ gpuBytes: whole }, { weightsBytes: whole, kvBytes: whole, peakWasmBytesGrown: whole }), peers: table(PEER),
});

/**
 * What is wrong with a result, a sentence each; none where it is one. Keys that are not known here are no fault.
 * @param {unknown} result
 * @returns {string[]}
 */
export const problems = (result) => RESULT(result).map(([place, sentence]) => `${place === "" ? "the result" : place} ${sentence}`);

/**
 * Whether a value is a result of this shape.
 * @param {unknown} value
 * @returns {value is Result}
 */
export const isResult = (value) => problems(value).length === 0;

/**
 * In this order: browsers name those that they come from, too.
 * @type {[name: string, pattern: RegExp][]}
 */
const BROWSERS = [
  ["Edge", /\bEdg\/(\d+)/], ["Opera", /\bOPR\/(\d+)/], ["Firefox", /\bFirefox\/(\d+)/], ["Chrome", /\b(?:Headless)?Chrome\/(\d+)/],
  ["Safari", /\bVersion\/([\d.]+).*\bSafari\//],
];

/**
 * The browser's name and version, by its user agent; all of that where it names none that is known.
 * @param {string} userAgent
 */
export function browserOf(userAgent) {
  for (const [name, pattern] of BROWSERS) {
    const found = pattern.exec(userAgent);
    if (found !== null) return `${name} ${found[1]}`;
  }
  return userAgent;
}
