/** The view of models: what loads, what is stored, what there is to choose from. */
import type { JSX } from "preact";
import { loadProblem } from "../model.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/models.js";
import { Bring } from "./bring.js";
import { Gallery } from "./gallery.js";
import { LoadingCard } from "./loading.js";
import { Stored } from "./stored.js";

/** The view. */
export function Models(): JSX.Element {
  return (
    <div class="page wide">
      <h1>{t("title")}</h1>
      <p class="lead">{t("lead")}</p>
      <LoadingCard />
      {loadProblem.value !== undefined && <Problem error={loadProblem.value} />}
      <div class="columns">
        <Stored />
        <Bring />
      </div>
      <Gallery />
    </div>
  );
}
