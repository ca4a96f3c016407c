/** Results of other devices: opened from files or dropped, listed, taken away again. */
import type { JSX } from "preact";
import { Button } from "../ui/controls.js";
import { useDrops } from "../ui/drops.js";
import { t } from "../words/bench.js";
import { importFiles, others, refused, removeOther, shown } from "./results.js";
import { namesOf, sayOccasion } from "./say.js";

/** The card. */
export function Devices(): JSX.Element {
  useDrops((files) => void importFiles(files));
  const names = namesOf(shown()).slice(-others.value.length);
  return (
    <section class="card" aria-labelledby="others-title" id="others">
      <h2 id="others-title">{t("others")}</h2>
      <p class="small">{t("othersHelp")}</p>
      <div class="drop">
        <label class="button quiet"><span>{t("choose")}</span><input id="import" type="file" accept="application/json,.json" multiple class="unseen" onChange={({ currentTarget }) => { void importFiles([...currentTarget.files ?? []]); currentTarget.value = ""; }} /></label>
        <span class="small">{t("drop")}</span>
      </div>
      {refused.value.length > 0 && (
        <div class="problem refused" role="alert">
          {refused.value.map(({ file, why, detail }, at) => <div key={at}><p>{t(`refused_${why}`, { file })}</p>{detail !== undefined && <p class="small" lang="en">{detail}</p>}</div>)}
        </div>
      )}
      {others.value.length > 0 && (
        <ul class="rows" id="imported">
          {others.value.map(({ id, result }, at) => (
            <li key={id}>
              <div><span class="name">{names[at]}</span><p class="small">{sayOccasion(result)}</p></div>
              <div class="buttons"><Button onClick={() => { removeOther(id); }} label={t("removeNamed", { name: names[at] ?? "" })}>{t("remove")}</Button></div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
