/** The benchmark: what to measure, how far it is, what it says, and what other devices say. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Result } from "../../../benches/result.mjs";
import { save } from "../save.js";
import { Button } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/bench.js";
import { ChartView } from "./chart.js";
import { chartsOf } from "./charts.js";
import { Devices } from "./devices.js";
import { fileName, own, shown } from "./results.js";
import { running } from "./run.js";
import { SetUp } from "./setup.js";
import { Steps } from "./steps.js";
import { Kernels, Table } from "./table.js";

/** The page. Where models cannot run, results of others are shown all the same. */
export function Bench({ canRun }: { readonly canRun: boolean }): JSX.Element {
  return (
    <div class="page wide" id="bench">
      <div>
        <h1>{t("title")}</h1>
        <p class="lead">{t("lead")}</p>
      </div>
      {canRun ? <SetUp /> : <p class="problem">{t("cannot")}</p>}
      <Steps />
      <Results />
      <Devices />
    </div>
  );
}

function Results(): JSX.Element {
  const results = shown();
  const [first] = results;
  if (first === undefined) return <p class="small" id="none">{t("none")}</p>;
  return (
    <section class="bench-results" aria-labelledby="results-title" id="results">
      <div class="section-head">
        <h2 id="results-title">{t("results")}</h2>
        {own.value !== undefined && <Exports result={own.value} />}
      </div>
      <div class="charts">{chartsOf(results).map((chart) => <ChartView key={chart.id} chart={chart} />)}</div>
      <div class="card">
        <Table results={results} hasOwn={own.value !== undefined} />
        {first.kernels !== undefined && first.kernels.length > 0 && <Kernels kernels={first.kernels} />}
      </div>
    </section>
  );
}

function Exports({ result }: { readonly result: Result }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const [drawing, setDrawing] = useState(false);
  const [problem, setProblem] = useState<unknown>(undefined);
  const json = (): void => { save(new Blob([`${JSON.stringify(result, null, 1)}\n`], { type: "application/json" }), fileName(result, "json")); };
  const draw = async (): Promise<void> => {
    if (host.current === null) return;
    setDrawing(true);
    setProblem(undefined);
    try {
      const { picture } = await import("./picture.js");
      save(await picture(result, host.current), fileName(result, "png"));
    } catch (error) {
      setProblem(error);
    } finally {
      setDrawing(false);
    }
  };
  return (
    <div ref={host}>
      <div class="buttons">
        <Button icon="download" id="export-json" disabled={running.value} onClick={json}>{t("exportJson")}</Button>
        <Button icon="download" id="export-picture" disabled={running.value || drawing} onClick={() => void draw()}>{t(drawing ? "picturing" : "exportPicture")}</Button>
      </div>
      {problem !== undefined && <Problem error={problem} />}
    </div>
  );
}
