/** All figures as a table, a device a column: also what the charts say, for those who do not see them. */
import type { JSX } from "preact";
import type { Kernel, Result } from "../../../benches/result.mjs";
import { formatNumber, formatShare } from "../format.js";
import { t } from "../words/bench.js";
import { rowsOf, type Group, type Row } from "./figures.js";
import { nameOfMeasure, namesOf, sayMillis, sayOccasion, sayValue } from "./say.js";

/** The table. `hasOwn`: the first result is this device's. */
export function Table({ results, hasOwn }: { readonly results: readonly Result[]; readonly hasOwn: boolean }): JSX.Element {
  const groups = new Map<Group, readonly Row[]>();
  for (const row of rowsOf(results)) groups.set(row.group, [...groups.get(row.group) ?? [], row]);
  const names = namesOf(results);
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label={t("table")}>
      <table class="figures" id="figures">
        <thead>
          <tr>
            <th scope="col">{t("measure")}</th>
            {results.map((result, at) => <th scope="col" key={at}><DeviceHead result={result} name={names[at] ?? ""} mine={hasOwn && at === 0} /></th>)}
          </tr>
        </thead>
        {[...groups].map(([group, rows]) => (
          <tbody key={group}>
            <tr class="group"><th scope="rowgroup">{t(`group_${group}`)}</th><td colSpan={results.length} /></tr>
            {rows.map((row, at) => (
              <tr key={at} data-measure={row.measure.of}>
                <th scope="row">{nameOfMeasure(row.measure)}</th>
                {row.values.map((value, of) => <td key={of}>{value === undefined ? "–" : sayValue(row.measure, value)}</td>)}
              </tr>
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function DeviceHead({ result, name, mine }: { readonly result: Result; readonly name: string; readonly mine: boolean }): JSX.Element {
  const { device: { adapter, browser } } = result;
  return (
    <>
      {mine && <span class="chip">{t("thisDevice")}</span>}
      {adapter.isFallback && <span class="chip warn">{t("fallback")}</span>}
      <span class="device-name">{name}</span>
      <span class="small">{browser}</span>
      <span class="small">{sayOccasion(result)}</span>
    </>
  );
}

/** Every kernel of a result, the longest first. */
export function Kernels({ kernels }: { readonly kernels: readonly Kernel[] }): JSX.Element {
  const rows = [...kernels].sort((a, b) => a.rows - b.rows || b.ms - a.ms);
  return (
    <details class="options">
      <summary>{t("kernelTable")}</summary>
      <div class="table-scroll" tabIndex={0} role="group" aria-label={t("kernelTable")}>
        <table class="figures">
          <thead><tr>{(["kernel", "kernelRows", "dispatches", "time", "ofCeiling"] as const).map((word) => <th scope="col" key={word}>{t(word)}</th>)}</tr></thead>
          <tbody>
            {rows.map((one) => (
              <tr key={`${one.rows} ${one.kernel}`}>
                <th scope="row"><code>{one.kernel}</code></th>
                <td>{formatNumber(one.rows)}</td><td>{formatNumber(one.dispatches)}</td><td>{sayMillis(one.ms)}</td><td>{one.share === undefined ? "–" : formatShare(one.share)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
