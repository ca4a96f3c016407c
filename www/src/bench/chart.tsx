/** A chart on the page: drawn anew when its data, its width, the language or the colours change, with a legend, and its figures as a label. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { theme } from "../theme.js";
import type { Chart } from "./charts.js";
import { plot, type Plot } from "./plot.js";

const HEIGHT = 260;

/** Whether the system is dark: what is drawn does not follow it by itself. */
const systemDark = signal(false);
const dark = matchMedia("(prefers-color-scheme: dark)");
systemDark.value = dark.matches;
dark.addEventListener("change", ({ matches }) => { systemDark.value = matches; });

/** A chart with its legend. */
export function ChartView({ chart }: { readonly chart: Chart }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const width = useWidth(host);
  const look = `${theme.value} ${String(systemDark.value)}`;
  // All that is drawn: functions are as the language is, which the label shows.
  const drawn = JSON.stringify(chart);
  useEffect(() => {
    const { current } = host;
    if (current === null || width === 0) return;
    let left = false;
    let shown: Plot | undefined;
    void plot(chart, current, { width, height: HEIGHT }).then((made) => {
      if (left) made.destroy();
      else shown = made;
    });
    return () => {
      left = true;
      shown?.destroy();
    };
  }, [drawn, width, look]);
  const { id, title, help, series, label } = chart;
  return (
    <figure class="card chart" id={`chart-${id}`}>
      <figcaption><h3>{title}</h3>{help !== undefined && <p class="small">{help}</p>}</figcaption>
      <div class="plot" ref={host} role="img" aria-label={label} />
      {series.length > 1 && (
        <ul class="legend small" aria-hidden="true">{series.map(({ name, colour }) => <li key={name}><span class={`swatch series-${colour}`} />{name}</li>)}</ul>
      )}
    </figure>
  );
}

/** The width of an element, in whole pixels; 0 before it is known. */
function useWidth(host: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const { current } = host;
    if (current === null) return;
    const observer = new ResizeObserver(([entry]) => { setWidth(Math.floor(entry?.contentRect.width ?? 0)); });
    observer.observe(current);
    return () => { observer.disconnect(); };
  }, []);
  return width;
}
