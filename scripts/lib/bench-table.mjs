/** What `npm run bench` makes of what it measured: medians, shares of ceilings, counts a token, a Markdown table. Nothing here runs anything. */

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const speed = (values) => ({ tps: median(values), tpsOfRuns: values });

/** `prefill` and `decode` of a result. `times` has what each run of each case measured, by the name of the case. */
export function speeds(cases, times) {
  const measured = Object.entries(cases).map(([name, lengths]) => ({ ...lengths, runs: times[name] }));
  return {
    prefill: measured.map(({ promptTokens, runs }) => ({ promptTokens, ...speed(runs.map((run) => run.prefillTps)) })),
    decode: measured.filter(({ decodeTokens }) => decodeTokens > 0)
      .map(({ promptTokens, decodeTokens, runs }) => ({ context: promptTokens, tokens: decodeTokens, ...speed(runs.map((run) => run.decodeTps)) })),
  };
}

/** These say what there is, not what was done. */
const STATES = ["pipelines", "liveObjects", "gpuBytes"];

/** Counts of one decoded token: what an answer of so many more asks of the GPU than another after as long a prompt. */
export function perToken(shorter, longer, tokens) {
  const counts = Object.entries(longer).filter(([name]) => !STATES.includes(name));
  return Object.fromEntries(counts.map(([name, count]) => [name, (count - shorter[name]) / tokens]));
}

/** Kernels with the part of their time that the adapter takes at least for what they read, or for what they multiply if that is more. */
export function withShares(kernels, { vec4LoadsPerSecond, bytesReadPerSecond, fmaPerSecond }) {
  return kernels.map((kernel) => {
    const bytes = kernel.weightBytes + kernel.kvBytes;
    const least = Math.max(bytes / 16 / vec4LoadsPerSecond, bytes / bytesReadPerSecond, kernel.multiplyAdds / fmaPerSecond);
    return least === 0 || kernel.ms === 0 ? kernel : { ...kernel, share: least * 1000 / kernel.ms };
  });
}

/** The name of a result's files: the day and the adapter. */
export function fileName({ date, device: { adapter: { vendor, architecture, description, isFallback } } }) {
  // Whose a software adapter is says nothing.
  const words = isFallback ? [architecture || vendor] : [vendor, architecture];
  const name = words.some(Boolean) ? words.join(" ") : description;
  const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, 60);
  return `${date.slice(0, 10)}-${slug === "" ? "unknown" : slug}`;
}

/** Digits that a reader wants: three, or all of a whole number. */
function figure(value) {
  if (Math.abs(value) >= 100 || value === 0) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** Figures and their units as people read them. */
const SCALES = [["G", 1e9], ["M", 1e6], ["k", 1e3], ["", 1]];
function scaled(value) {
  const [letter, by] = SCALES.find(([, size]) => value >= size) ?? SCALES.at(-1);
  return `${figure(value / by)}${letter === "" ? "" : ` ${letter}`}`;
}

const MEBI = 1 << 20;
/** What stands in a cell must not end it. */
const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
const row = (...cells) => `| ${cells.map(cell).join(" | ")} |`;
const table = (head, rows) => [row(...head), `|${"---|".repeat(head.length)}`, ...rows.map((cells) => row(...cells))];
const section = (title, lines) => ["", `## ${title}`, "", ...lines];

const range = ({ tps, tpsOfRuns = [] }) => (tpsOfRuns.length < 2
  ? [figure(tps), ""]
  : [figure(tps), `${figure(Math.min(...tpsOfRuns))} to ${figure(Math.max(...tpsOfRuns))}`]);

const CEILINGS = {
  vec4LoadsPerSecond: "loads of four words a second", bytesReadPerSecond: "bytes read a second", bytesCopiedPerSecond: "bytes copied a second",
  fmaPerSecond: "multiply-adds a second", dot4ProductsPerSecond: "products of bytes a second", microsPerDispatch: "µs a dispatch",
  microsPerRoundTrip: "µs to the GPU and back",
};

/** The runs of a peer at one length: those that got so far. */
const reached = (runs, part, is) => runs.flatMap((run) => run[part].filter(is)).map(({ tps }) => tps);

/** The rows of one peer's loads, in seconds, and how many times as fast doran's is. */
function peerLoads([name, { runs }], { load }) {
  return Object.entries({ cold: "loadMs", warm: "warmMs" }).flatMap(([kind, key]) => {
    const ms = runs.flatMap((run) => (run[key] === undefined ? [] : [run[key]]));
    const own = load?.[kind]?.ms;
    return ms.length === 0 || own === undefined ? [] : [[name, `${kind} load`, figure(median(ms) / 1000), figure(own / 1000), figure(median(ms) / own)]];
  });
}

/** The rows of one peer: a length each, beside doran's at the same length in the same run; and how it failed. */
function peerRows([name, { runs }], { prefill = [], decode = [] }) {
  const compare = (kind, part, own, is) => {
    const tps = reached(runs, part, is);
    return tps.length === 0 ? [] : [[name, kind, figure(median(tps)), figure(own.tps), figure(own.tps / median(tps))]];
  };
  const rows = [
    ...prefill.flatMap((own) => compare(`prefill of ${own.promptTokens}`, "prefill", own, (one) => one.promptTokens === own.promptTokens)),
    // A slow peer says fewer tokens: the speed at a context is what is compared.
    ...decode.flatMap((own) => compare(`decode at ${own.context}`, "decode", own, (one) => one.context === own.context)),
  ];
  const failures = runs.flatMap(({ failed }) => (failed === undefined ? [] : [failed]));
  const failed = [...new Set(failures)].map((why) => {
    const times = failures.filter((one) => one === why).length;
    return [name, times === runs.length ? why : `${why} (${times} of ${runs.length} runs)`, "", "", ""];
  });
  return [...rows, ...failed];
}

/** A result as Markdown. What was not measured is not there. */
export function markdown(result) {
  const { version, date, device: { adapter, browser }, model, runs, loadAverage, ceilings, load, prefill, decode, kernels, countersPerToken, memory, peers } = result;
  const adapterName = [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(", ");
  const facts = [
    ["adapter", `${adapterName}${adapter.isFallback ? " (software)" : ""}`],
    ["browser", browser],
    ...(model === undefined ? [] : [["model", `${model.name}, ${figure(model.bytes / 1e6)} MB${model.parameters === undefined ? "" : `, ${scaled(model.parameters)} parameters`}`]]),
    ...(runs === undefined ? [] : [["runs", runs]]),
    ...(loadAverage === undefined ? [] : [["load average before", loadAverage.toFixed(2)]]),
    ...Object.entries(load ?? {}).map(([kind, { ms }]) => [`${kind} load`, `${figure(ms / 1000)} s`]),
    ...(memory === undefined ? [] : [["memory of the GPU", `${figure(memory.gpuBytes / MEBI)} MiB`]]),
  ];
  const lines = [`# doran ${version}, ${date.slice(0, 10)}`, "", ...table(["", ""], facts)];
  if (ceilings !== undefined) {
    const known = Object.entries(CEILINGS).filter(([key]) => ceilings[key] !== undefined);
    lines.push(...section("Ceilings", table(["the adapter at most", ""], known.map(([key, name]) => [name, scaled(ceilings[key])]))));
  }
  if ((prefill ?? decode) !== undefined) {
    lines.push(...section("Speed", table(["tokens a second", "median", "runs"], [
      ...(prefill ?? []).map((one) => [`prefill of ${one.promptTokens}`, ...range(one)]),
      ...(decode ?? []).map((one) => [`decode at ${one.context}, ${one.tokens} tokens`, ...range(one)]),
    ])));
  }
  if (kernels !== undefined) {
    lines.push(...section("Kernels", table(["rows", "kernel", "dispatches", "ms", "of the ceiling"], kernels.map((one) => [
      one.rows, `\`${one.kernel}\``, one.dispatches, figure(one.ms), one.share === undefined ? "" : `${Math.round(one.share * 100)} %`,
    ]))));
  }
  if (countersPerToken !== undefined) {
    lines.push(...section("Counts of a decoded token", table(["", ""], Object.entries(countersPerToken).map(([name, count]) => [name, scaled(count)]))));
  }
  if (peers !== undefined) {
    const what = Object.entries(peers).map(([name, { package: of, version: at, device, threads, model: file }]) => [
      name, `${of} ${at}`, `${device}${threads === undefined ? "" : `, ${threads} ${threads === 1 ? "thread" : "threads"}`}`, file,
    ]);
    lines.push(...section("Other packages in the same run", [
      ...table(["", "package", "runs on", "model"], what), "",
      ...table(["", "", "tok/s", "doran", "times"], Object.entries(peers).flatMap((peer) => peerRows(peer, result))), "",
      ...table(["", "", "s", "doran", "times as fast"], Object.entries(peers).flatMap((peer) => peerLoads(peer, result))),
    ]));
  }
  return `${lines.join("\n")}\n`;
}
