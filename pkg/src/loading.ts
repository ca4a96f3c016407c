/** Loads and inspections of what a source offers, in one worker. */
import { abortable, type Connection } from "./client.js";
import { DoranError } from "./errors.js";
import { choose, ranked, type Inspected } from "./fit.js";
import type { Adjustment, Candidate, Inspection } from "./inspection.js";
import { wireOptions, type Offer } from "./source.js";
import type { LoadOptions, ModelInfo } from "./types.js";

/** Refuses a way to fit that there is not. */
export function checkFit({ fit }: LoadOptions): void {
  const given: unknown = fit;
  if (given === undefined || given === "auto") return;
  throw new DoranError("bad_argument", `fit must be "auto", or left out, and not ${JSON.stringify(given)}`, { argument: "fit" });
}

/** Looks at one of the models. */
function look(connection: Connection, offer: Offer, options: LoadOptions, stepsDown: boolean): Promise<Inspected> {
  const { source } = offer;
  const { id, result } = connection.call(
    "inspect", (callId) => ({ type: "call", id: callId, kind: "inspect", args: { source, options: wireOptions(offer, options, stepsDown) } }), { fetch: options.fetch },
  );
  return abortable(connection, id, result, options.signal);
}

/** The models that the choice is among, from large to small, which of them to take, and what was seen of it. */
async function chosen(connection: Connection, offers: readonly Offer[], options: LoadOptions): Promise<{ pool: readonly Offer[]; at: number; seen: Inspected }> {
  const pool = ranked(offers);
  const stepsDown = options.fit === "auto";
  return { pool, ...await choose(pool, stepsDown, (offer, down) => look(connection, offer, options, down)) };
}

/** What `Engine.inspect` gives. */
export async function inspectOffers(connection: Connection, offers: readonly Offer[], options: LoadOptions): Promise<Inspection> {
  const { pool, at, seen } = await chosen(connection, offers, options);
  const candidates: readonly Candidate[] = offers.map(({ path, bytes, format, files }) => ({ path, bytes, format, files }));
  const taken = pool[at]?.path ?? "";
  const adjustments = options.fit === "auto" ? [...seen.adjustments, ...smallerFile(pool, at)] : seen.adjustments;
  return { ...seen, adjustments, candidates, take: taken };
}

/** Loads the first of the models; with `fit: "auto"` the one that fits this device, or a smaller one where even that finds no room. */
export async function loadOffers(connection: Connection, offers: readonly Offer[], options: LoadOptions, ended: DoranError): Promise<ModelInfo> {
  let under: Promise<unknown> = Promise.resolve();
  const load = (offer: Offer): Promise<ModelInfo> => {
    const { onProgress, fetch, signal } = options;
    const { id, result } = connection.call(
      "load", (callId) => ({ type: "call", id: callId, kind: "load", args: { source: offer.source, options: wireOptions(offer, options, options.fit === "auto") } }), { onProgress, fetch },
    );
    under = result;
    return abortable(connection, id, result, signal);
  };
  try {
    const [first] = offers;
    if (first === undefined) throw new DoranError("bad_argument", "the source holds no model", { argument: "source" });
    if (options.fit !== "auto" || offers.length === 1) return await load(first);
    const { pool, at } = await chosen(connection, offers, options);
    for (let taken = at; ; taken += 1) {
      const offer = pool[taken];
      if (offer === undefined) throw new DoranError("internal", "there is no model to take");
      try {
        return withAdjustments(await load(offer), smallerFile(pool, taken));
      } catch (thrown) {
        const tooLarge = thrown instanceof DoranError && thrown.code === "out_of_memory";
        if (!tooLarge || taken + 1 >= pool.length) throw thrown;
      }
    }
  } catch (thrown) {
    connection.closeAfter(under, ended);
    throw thrown;
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
