/** The charts as data, with their words: what `plot.ts` draws, and what a screen reader is told instead. */
import type { Result } from "../../../benches/result.mjs";
import { formatBytes, formatNumber, formatShare } from "../format.js";
import { t } from "../words/bench.js";
import { commonContext, decodeAt, kernelStacks, limitOf, memoryParts, type KernelStack } from "./figures.js";
import { namesOf, nameOfStep, sayList, sayMillis, sayTps } from "./say.js";

/** Colours in the order that they are used in, by their numbers in `bench.css`; grey comes last. */
const COLOURS = [0, 1, 2, 3, 4, 6, 7, 5];
/** For what is only held beside something: limits, and the rest of a whole. */
const GREY = 5;
const colourAt = (at: number): number => COLOURS[at % COLOURS.length] ?? GREY;

/** What is drawn in one colour. */
export interface Series {
  readonly name: string;
  /** From 0 on. */
  readonly colour: number;
  readonly values: readonly (number | null)[];
}

/** A chart. */
export interface Chart {
  readonly id: "decode" | "kernels" | "context" | "memory";
  readonly title: string;
  readonly help?: string;
  /** `grouped`: bars side by side; `stacked`: on one another; `line`: over `xs`. */
  readonly kind: "grouped" | "stacked" | "line";
  /** Below the bars. */
  readonly labels: readonly string[];
  /** Of lines: where their values are. */
  readonly xs: readonly number[];
  readonly xTitle?: string;
  readonly series: readonly Series[];
  /** Above bars that are stacked. */
  readonly totals?: readonly string[];
  readonly format: (value: number) => string;
  /** The end of the axis, where it is fixed. */
  readonly most?: number;
  /** The figures in words. */
  readonly label: string;
}

/** Names of results: the same in every chart and in the table, whatever of them a chart shows. */
export type Names = ReadonlyMap<Result, string>;

const namesIn = (results: readonly Result[]): Names => {
  const names = namesOf(results);
  return new Map(results.map((result, at) => [result, names[at] ?? ""]));
};

/** The charts that there are figures for. */
export function chartsOf(results: readonly Result[]): readonly Chart[] {
  const names = namesIn(results);
  return [decodeChart(results, names), contextChart(results, names), kernelChart(results, names), memoryChart(results, names)].filter((chart) => chart !== undefined);
}

/** The figures of a chart in words. */
function labelOf({ title, series, labels }: Pick<Chart, "title" | "series" | "labels">, format: (value: number) => string): string {
  const points = labels.flatMap((name, at) => series.flatMap(({ name: of, values }) => {
    const value = values[at] ?? null;
    return value === null ? [] : [series.length === 1 ? t("point", { name, value: format(value) }) : t("pointOf", { name, series: of, value: format(value) })];
  }));
  return t("chartLabel", { title, points: sayList(points) });
}

/** One device: a pair of bars for each context. Several: a pair for each, where most of them were measured. */
export function decodeChart(results: readonly Result[], names: Names = namesIn(results)): Chart | undefined {
  const measured = results.filter(({ decode = [] }) => decode.length > 0);
  const [first] = measured;
  const context = commonContext(measured);
  if (first === undefined || context === undefined) return undefined;
  const alone = measured.length === 1;
  const pairs = alone
    ? (first.decode ?? []).map((one) => ({ name: t("promptOf", { n: one.context }), is: one.tps, limit: limitOf(first, one) }))
    : measured.map((result) => {
      const one = decodeAt(result, context);
      return { name: names.get(result) ?? "", is: one?.tps, limit: one === undefined ? undefined : limitOf(result, one) };
    });
  const title = alone ? t("chart_decode") : t("chart_decodeAt", { n: context });
  const labels = pairs.map(({ name }) => name);
  const series: Series[] = [
    { name: t("measuredSeries"), colour: 0, values: pairs.map(({ is = null }) => is) },
    ...(pairs.some(({ limit }) => limit !== undefined) ? [{ name: t("limitSeries"), colour: GREY, values: pairs.map(({ limit = null }) => limit) }] : []),
  ];
  return {
    id: "decode", kind: "grouped", title, help: t("chart_decode_help"), labels, xs: [], series, format: short,
    label: labelOf({ title, series, labels }, sayTps),
  };
}

/** A line for each device. */
export function contextChart(results: readonly Result[], names: Names = namesIn(results)): Chart | undefined {
  const measured = results.filter(({ decode = [] }) => decode.length > 1);
  if (measured.length === 0) return undefined;
  const xs = [...new Set(measured.flatMap(({ decode = [] }) => decode.map(({ context }) => context)))].sort((a, b) => a - b);
  const series = measured.map((result, at): Series => ({ name: names.get(result) ?? "", colour: colourAt(at), values: xs.map((x) => decodeAt(result, x)?.tps ?? null) }));
  const title = t("chart_context");
  const labels = xs.map((x) => t("promptOf", { n: x }));
  return { id: "context", kind: "line", title, labels, xs, xTitle: t("contextAxis"), series, format: short, label: labelOf({ title, series, labels }, sayTps) };
}

/** A token and a piece of a prompt, by the shares of their kernels; of the first result that has any. */
export function kernelChart(results: readonly Result[], names: Names = namesIn(results)): Chart | undefined {
  const result = results.find(({ kernels = [] }) => kernels.length > 0);
  const stacks = kernelStacks(result?.kernels ?? []).filter(({ ms }) => ms > 0);
  if (stacks.length === 0) return undefined;
  const kernels = [...new Set(stacks.flatMap(({ portions }) => portions.map(({ name }) => name)))];
  // Those that have no name of their own come last, on top.
  const ordered = [...kernels.filter((name) => name !== undefined), ...(kernels.includes(undefined) ? [undefined] : [])];
  const share = (stack: KernelStack, name: string | undefined): number | null => {
    const portion = stack.portions.find((one) => one.name === name);
    return portion === undefined ? null : portion.ms / stack.ms;
  };
  const series = ordered.map((name, at): Series => ({
    name: name ?? t("otherKernels"), colour: name === undefined ? GREY : colourAt(at), values: stacks.map((stack) => share(stack, name)),
  }));
  const title = t("chart_kernels");
  const labels = stacks.map(({ rows }) => nameOfStep(rows));
  const context = result?.kernelsContext;
  const name = results.length < 2 || result === undefined ? undefined : names.get(result);
  const help = context === undefined ? name : name === undefined ? t("chart_kernels_help", { n: context }) : t("chart_kernels_of", { name, n: context });
  return {
    id: "kernels", kind: "stacked", title, ...(help === undefined ? {} : { help }), labels, xs: [], series,
    totals: stacks.map(({ ms }) => sayMillis(ms)), format: formatShare, most: 1,
    label: labelOf({ title, series, labels: stacks.map(({ rows, ms }) => t("stepTime", { step: nameOfStep(rows), ms: sayMillis(ms) })) }, formatShare),
  };
}

/** A bar for each device. */
export function memoryChart(results: readonly Result[], names: Names = namesIn(results)): Chart | undefined {
  const measured = results.flatMap((result) => (result.memory === undefined ? [] : [{ result, parts: memoryParts(result.memory) }]));
  if (measured.length === 0) return undefined;
  const title = t("chart_memory");
  const labels = measured.map(({ result }) => names.get(result) ?? "");
  const part = (name: "weights" | "kv" | "rest", colour: number): Series => ({ name: t(name), colour, values: measured.map(({ parts }) => parts[name]) });
  const series = [part("weights", 0), part("kv", 1), part("rest", GREY)];
  return {
    id: "memory", kind: "stacked", title, labels, xs: [], series, totals: measured.map(({ parts: { weights, kv, rest } }) => formatBytes(weights + kv + rest)),
    format: formatBytes, label: labelOf({ title, series, labels }, formatBytes),
  };
}

/** A speed beside a bar or an axis, without its unit: that stands in the title. */
const short = (value: number): string => formatNumber(value, value >= 100 || Number.isInteger(value) ? 0 : 1);
