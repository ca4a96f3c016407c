/** Loads and inspections of what a source offers. Runs in the worker. */
import { DoranError, isRecord } from "./errors.js";
import { choose, ranked, type Inspected } from "./fit.js";
import type { Adjustment, Inspection } from "./inspection.js";
import type { Offer } from "./offers.js";
import type { ModelInfo } from "./types.js";

/** Looks at a model; `stepsDown`: with a context as short as it must be. */
export type LookAt = (offer: Offer, stepsDown: boolean) => Promise<Inspected>;

/** What `Engine.inspect` gives. `stepsDown`: of a load with `fit: "auto"`. */
export async function inspectOffers(offers: readonly Offer[], stepsDown: boolean, look: LookAt): Promise<Inspection> {
  const pool = ranked(offers);
  const { at, seen } = await choose(pool, stepsDown, look);
  const adjustments = stepsDown ? [...seen.adjustments, ...smallerFile(pool, at)] : seen.adjustments;
  const candidates = offers.map(({ path, bytes, format, files }) => ({ path, bytes, format, files }));
  return { ...seen, adjustments, candidates, take: pool[at]?.path ?? "" };
}

/** Loads the first of the models; with `stepsDown` the one that fits this device, or a smaller one where even that finds no room. */
export async function loadOffers(
  offers: readonly [Offer, ...Offer[]], stepsDown: boolean, look: LookAt, load: (offer: Offer) => Promise<ModelInfo>,
): Promise<ModelInfo> {
  if (!stepsDown || offers.length === 1) return load(offers[0]);
  const pool = ranked(offers);
  const { at } = await choose(pool, stepsDown, look);
  for (let taken = at; ; taken += 1) {
    const offer = pool[taken];
    if (offer === undefined) throw new DoranError("internal", "there is no model to take");
    try {
      return withAdjustments(await load(offer), smallerFile(pool, taken));
    } catch (thrown) {
      const tooLarge = isRecord(thrown) && thrown["code"] === "out_of_memory";
      if (!tooLarge || taken + 1 >= pool.length) throw thrown;
    }
  }
}

/** That a smaller file was taken than the largest. */
function smallerFile(pool: readonly Offer[], at: number): readonly Adjustment[] {
  const [largest, taken] = [pool[0], pool[at]];
  if (largest === undefined || taken === undefined || largest === taken) return [];
  return [{ what: "file", from: largest.path, to: taken.path }];
}

function withAdjustments(info: ModelInfo, more: readonly Adjustment[]): ModelInfo {
  const sentences = more.map(({ from, to }) => `this device has no room for ${from}: ${to} was taken`);
  return { ...info, adjustments: [...info.adjustments, ...more], warnings: [...info.warnings, ...sentences] };
}
