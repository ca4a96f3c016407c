/** A picture of a result to share: device, model, the main figures and two charts, in the colours that the page has now. */
import type { Result } from "../../../benches/result.mjs";
import { formatMs, formatShare } from "../format.js";
import { t } from "../words/bench.js";
import { contextChart, decodeChart, kernelChart, memoryChart, type Chart } from "./charts.js";
import { deviceName, limitOf } from "./figures.js";
import { lookOf, plot } from "./plot.js";
import { sayNumber, sayOccasion, sayTps } from "./say.js";

/** What link previews show as it is (Open Graph); drawn at twice that. */
const SIZE = { width: 1200, height: 630 };
const SCALE = 2;
const MARGIN = 48;
const CHART = { width: 536, height: 280 };
const CHARTS_TOP = 286;

/** A figure with what it is of. */
interface Figure {
  readonly what: string;
  readonly value: string;
  readonly where: string;
}

/** The picture as PNG. `host` is an element of the page, whose colours and letters it has. */
export async function picture(result: Result, host: HTMLElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = SIZE.width * SCALE;
  canvas.height = SIZE.height * SCALE;
  const ctx = canvas.getContext("2d");
  if (ctx === null) throw new Error("this browser draws no pictures");
  ctx.scale(SCALE, SCALE);
  const look = lookOf(host);
  ctx.fillStyle = look.card;
  ctx.fillRect(0, 0, SIZE.width, SIZE.height);
  const write = (text: string, x: number, y: number, font: string, colour = look.ink, width = SIZE.width - MARGIN - x): void => {
    ctx.font = `${font} ${look.font}`;
    ctx.fillStyle = colour;
    ctx.fillText(text, x, y, width);
  };
  write("doran", MARGIN, 84, "600 40px");
  write(t("title"), MARGIN + 122, 84, "24px", look.soft);
  write(deviceName(result), MARGIN, 128, "600 26px");
  write(`${sayOccasion(result)} · ${result.device.browser} · doran ${result.version}`, MARGIN, 160, "18px", look.soft);
  const figures = figuresOf(result);
  for (const [at, { what, value, where }] of figures.entries()) {
    const x = MARGIN + at * ((SIZE.width - 2 * MARGIN) / figures.length);
    const width = (SIZE.width - 2 * MARGIN) / figures.length - 16;
    write(what, x, 202, "16px", look.soft, width);
    write(value, x, 238, "600 32px", look.ink, width);
    write(where, x, 262, "16px", look.soft, width);
  }
  const charts = [decodeChart([result]), kernelChart([result]), contextChart([result]), memoryChart([result])].filter((chart) => chart !== undefined).slice(0, 2);
  for (const [at, chart] of charts.entries()) {
    const x = MARGIN + at * (SIZE.width / 2 - MARGIN / 2 + 12);
    write(chart.title, x, CHARTS_TOP + 16, "600 17px", look.ink, CHART.width);
    await drawChart(ctx, chart, host, x);
    legend(ctx, chart, x, look, write);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => { if (blob === null) reject(new Error("the picture could not be made")); else resolve(blob); }, "image/png");
  });
}

async function drawChart(ctx: CanvasRenderingContext2D, chart: Chart, host: HTMLElement, x: number): Promise<void> {
  const place = document.createElement("div");
  place.className = "unseen";
  host.append(place);
  // As many pixels as the picture has, whatever the screen has.
  const zoom = SCALE / devicePixelRatio;
  const height = CHART.height - 30;
  const { canvas, destroy } = await plot(chart, place, { width: Math.round(CHART.width * zoom), height: Math.round(height * zoom), zoom });
  ctx.drawImage(canvas, x, CHARTS_TOP + 26, CHART.width, height);
  destroy();
  place.remove();
}

function legend(ctx: CanvasRenderingContext2D, { series }: Chart, left: number, look: ReturnType<typeof lookOf>, write: (text: string, x: number, y: number, font: string, colour?: string) => void): void {
  if (series.length < 2) return;
  let x = left;
  let y = CHARTS_TOP + CHART.height + 20;
  ctx.font = `14px ${look.font}`;
  for (const { name, colour } of series) {
    const width = 34 + ctx.measureText(name).width;
    if (x > left && x + width > left + CHART.width) {
      x = left;
      y += 20;
    }
    ctx.fillStyle = look.colour(colour);
    ctx.fillRect(x, y - 10, 11, 11);
    write(name, x + 16, y, "14px", look.soft);
    x += width;
  }
}

/** The main figures: how fast it writes and reads, of what limit, and how long a load takes. */
function figuresOf(result: Result): readonly Figure[] {
  const [decode] = result.decode ?? [];
  const prefill = result.prefill?.find(({ promptTokens }) => promptTokens >= 512) ?? result.prefill?.at(-1);
  const limit = decode === undefined ? undefined : limitOf(result, decode);
  const { cold, warm } = result.load ?? {};
  return [
    ...(decode === undefined ? [] : [{ what: t("pictureSpeed"), value: sayTps(decode.tps), where: t("pictureBehind", { n: decode.context }) }]),
    ...(decode === undefined || limit === undefined ? [] : [{ what: t("limitSeries"), value: sayTps(limit), where: t("pictureLimit", { share: formatShare(decode.tps / limit) }) }]),
    ...(prefill === undefined ? [] : [{ what: t("pictureReads"), value: t("tokensPerSecond", { n: sayNumber(prefill.tps) }), where: t("picturePrompt", { n: prefill.promptTokens }) }]),
    ...(warm === undefined && cold === undefined ? [] : [{ what: t("pictureLoads"), value: formatMs((warm ?? cold)?.ms ?? 0), where: t(warm === undefined ? "pictureCold" : "pictureWarm") }]),
  ];
}
