/** Draws a chart's data by uPlot, which is fetched when the first chart is drawn. Colours and letters are those of the element that it is drawn in. */
import type UPlot from "uplot";
import { formatNumber } from "../format.js";
import type { Chart } from "./charts.js";

/** What is drawn, and how to take it away. */
export interface Plot {
  readonly canvas: HTMLCanvasElement;
  readonly destroy: () => void;
}

/** A size in CSS pixels, and how many times as large as usual letters and lines are. */
export interface Size {
  readonly width: number;
  readonly height: number;
  readonly zoom?: number;
}

interface Look {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly card: string;
  readonly font: string;
  readonly colour: (at: number) => string;
}

/** A bar as it is drawn, in pixels of the canvas. */
interface Bar {
  readonly series: number;
  readonly at: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
}

/** Letters of axes and bars, in CSS pixels. */
const LETTERS = 12;

/** Draws into `host`; resolves when it is drawn. */
export async function plot(chart: Chart, host: HTMLElement, size: Size): Promise<Plot> {
  const { default: uPlot } = await import("uplot");
  const { width, height, zoom = 1 } = size;
  const look = lookOf(host);
  // By series and place: uPlot makes paths anew when the density of pixels changes.
  const bars = new Map<string, Bar>();
  return new Promise((resolve) => {
    const drawn = (self: UPlot): void => {
      if (chart.kind !== "line") write(self, chart, bars, look, zoom * devicePixelRatio);
      resolve({ canvas: self.ctx.canvas, destroy: () => { self.destroy(); } });
    };
    const options: UPlot.Options = {
      width, height, padding: [20 * zoom, (chart.kind === "line" ? 24 : 8) * zoom, 0, 0],
      legend: { show: false }, cursor: { show: false },
      scales: scalesOf(chart), axes: axesOf(chart, look, size), series: [{}, ...seriesOf(chart, look, bars, zoom, uPlot)],
      hooks: { draw: [drawn] },
    };
    new uPlot(options, dataOf(chart), host);
  });
}

/** Custom properties as colours that a canvas understands. */
export function lookOf(host: HTMLElement): Look {
  const probe = document.createElement("span");
  host.append(probe);
  const resolved = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const look = {
    ink: resolved("--ink"), soft: resolved("--ink-soft"), line: resolved("--line"), card: resolved("--card"), font: getComputedStyle(host).fontFamily,
    colours: Array.from({ length: 8 }, (_, at) => resolved(`--series-${at}`)),
  };
  probe.remove();
  return { ...look, colour: (at) => look.colours[at] ?? look.ink };
}

/** Of bars that are stacked, the sums so far; the highest comes first, so that the lower ones are drawn over it. */
function dataOf({ kind, xs, labels, series }: Chart): UPlot.AlignedData {
  if (kind === "line") return [[...xs], ...series.map(({ values }) => [...values])];
  const places = labels.map((_, at) => at);
  if (kind === "grouped") return [places, ...series.map(({ values }) => [...values])];
  const sums = series.map((_, upTo) => places.map((at) => series.slice(0, upTo + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0)));
  return [places, ...sums.reverse()];
}

function scalesOf({ kind, labels, xs, most }: Chart): UPlot.Scales {
  const ends: [number, number] = kind === "line" ? [Math.min(...xs), Math.max(...xs)] : [-0.5, labels.length - 0.5];
  return { x: { time: false, range: ends }, y: { range: (_, __, highest) => [0, most ?? ((highest ?? 0) > 0 ? highest * 1.1 : 1)] } };
}

function axesOf({ kind, labels, xs, xTitle, format }: Chart, { soft, line, font }: Look, { width, zoom = 1 }: Size): UPlot.Axis[] {
  const small = `${LETTERS * zoom}px ${font}`;
  const common = { stroke: soft, font: small, labelFont: small, border: { show: false }, gap: 6 * zoom };
  const measure = measureOf(small);
  // What is left beside the other axis, and a gap between two labels.
  const room = (width - 56 * zoom) / Math.max(1, labels.length) - 8 * zoom;
  const x: UPlot.Axis = kind === "line"
    ? { ...common, ...(xs.length <= 4 ? { splits: () => [...xs] } : {}), size: 26 * zoom, space: 60 * zoom, grid: { show: false }, ticks: { show: false }, values: (_, at) => at.map((one) => formatNumber(one)), ...(xTitle === undefined ? {} : { label: xTitle, labelSize: 20 * zoom, labelGap: 0 }) }
    : { ...common, splits: () => labels.map((_, at) => at), size: 26 * zoom, space: 0, grid: { show: false }, ticks: { show: false }, values: () => labels.map((label) => shortened(label, room, measure)) };
  const y: UPlot.Axis = {
    ...common, space: 36 * zoom, grid: { stroke: line, width: zoom }, ticks: { show: false }, values: (_, at) => at.map(format),
    size: (_, values) => 12 * zoom + Math.max(16 * zoom, ...(values ?? []).map(measure)),
  };
  return [x, y];
}

/** How wide words are in a font. */
function measureOf(font: string): (text: string) => number {
  const ctx = document.createElement("canvas").getContext("2d");
  if (ctx === null) return (text) => text.length * LETTERS;
  ctx.font = font;
  return (text) => ctx.measureText(text).width;
}

/** As much of a label as there is room for. */
function shortened(label: string, room: number, measure: (text: string) => number): string {
  if (measure(label) <= room) return label;
  const letters = Array.from(label);
  while (letters.length > 1 && measure(`${letters.join("").trimEnd()}…`) > room) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

function seriesOf({ kind, series }: Chart, look: Look, bars: Map<string, Bar>, zoom: number, { paths }: typeof UPlot): UPlot.Series[] {
  if (kind === "line") {
    return series.map(({ colour }) => ({ stroke: look.colour(colour), width: 2 * zoom, spanGaps: true, points: { show: true, size: 8 * zoom, fill: look.colour(colour) } }));
  }
  const each = (_: UPlot, number: number, at: number, left: number, top: number, width: number): void => { bars.set(`${number} ${at}`, { series: number, at, left, top, width }); };
  const painted = kind === "stacked" ? [...series].reverse() : series;
  return painted.map(({ colour }, at) => {
    const align = kind === "stacked" || series.length === 1 ? 0 : at === 0 ? -1 : 1;
    const builder = paths.bars?.({ size: [align === 0 ? 0.5 : 0.36, 96 * zoom], align, each, radius: kind === "stacked" ? 0 : [0.06, 0] });
    return { fill: look.colour(colour), stroke: look.card, width: kind === "stacked" ? zoom : 0, points: { show: false }, ...(builder === undefined ? {} : { paths: builder }) };
  });
}

/** Writes values above bars: of each, or of a whole stack. */
function write({ ctx }: UPlot, { kind, series, totals, format }: Chart, bars: ReadonlyMap<string, Bar>, { ink, font }: Look, pixels: number): void {
  ctx.save();
  ctx.font = `${LETTERS * pixels}px ${font}`;
  ctx.fillStyle = ink;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  for (const { series: number, at, left, top, width } of bars.values()) {
    const value = series[number - 1]?.values[at] ?? null;
    const text = kind === "stacked" ? (number === 1 ? totals?.[at] : undefined) : value === null ? undefined : format(value);
    if (text !== undefined) ctx.fillText(text, left + width / 2, top - 4 * pixels);
  }
  ctx.restore();
}
