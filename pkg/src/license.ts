/** Entries of the catalogue as sources: which hub address they are, and which licences must be agreed to first. */
import type { CatalogueEntry } from "./catalogue.js";
import { DoranError, isRecord } from "./errors.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** Whether a source is an entry of the catalogue. */
export function isEntry(source: ModelSource): source is CatalogueEntry {
  return isRecord(source) && "license" in source && "source" in source && "id" in source;
}

/** The `hf:` address of an entry, at the commit at which its facts were seen. */
export function entrySource({ source, revision }: CatalogueEntry): string {
  const [, repository, file = ""] = /^(hf:[^/@]+\/[^/@]+)(\/.+)?$/.exec(source.value) ?? [];
  if (repository === undefined) throw new DoranError("bad_argument", `${source.value} is no place on the hub`, { argument: "source" });
  return `${repository}${revision.value === null ? "" : `@${revision.value}`}${file}`;
}

/**
 * Refuses an entry whose licence forbids commerce or is asked for by the hub, unless the caller has agreed to it. What is not known of
 * a licence counts as if it did. Other sources are the caller's own affair.
 *
 * Throws `license_not_accepted` with the licence's `license` (its name) and `url` where they are known, or `unsupported` for an
 * entry that doran does not run.
 */
export function checkLicense(source: ModelSource, { acceptLicense }: LoadOptions): void {
  if (!isEntry(source)) return;
  const { id, name, unsupported, license } = source;
  if (unsupported !== null) {
    throw new DoranError("unsupported", `${name} does not run yet: doran lacks its ${unsupported}`, { what: unsupported, id });
  }
  const free = license.nonCommercial.value === false && license.gated.value === false;
  if (free || acceptLicense === true) return;
  const called = license.name.value ?? "a licence that its publisher has not named";
  const where = license.url.value === null ? "" : ` (${license.url.value})`;
  throw new DoranError(
    "license_not_accepted",
    `${name} is under ${called}${where}: show it to the reader, and pass acceptLicense: true once they agree`,
    { id, license: license.name.value, url: license.url.value, nonCommercial: license.nonCommercial.value, gated: license.gated.value },
  );
}
