/** What the golden checks share: where the references are, comparing, counting. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Plain, ROOT } from "../../scripts/lib/util.mjs";

/** Reference results, made by other engines: `DORAN_ZOO`, or the copies in the repository. */
export const ZOO = process.env.DORAN_ZOO ?? join(ROOT, "tests/fixtures");
if (!existsSync(ZOO)) throw new Plain(`the reference results are not at ${ZOO}; say where with DORAN_ZOO`);

export const readJson = (...path) => JSON.parse(readFileSync(join(ZOO, ...path), "utf8"));

/** Counts checks, and says the ones that fail. */
export class Report {
  passed = 0;
  failed = 0;

  check(name, ok, detail = "") {
    if (ok) this.passed += 1;
    else {
      this.failed += 1;
      console.log(`FAILED ${name}${detail === "" ? "" : `: ${detail}`}`);
    }
    return ok;
  }

  /** Counts what another has counted. */
  add({ passed, failed }) {
    this.passed += passed;
    this.failed += failed;
  }

  /** What came for a request: an error is a failed check. */
  result(name, result) {
    return this.check(name, result !== undefined && result.error === undefined, JSON.stringify(result?.error)) ? result : undefined;
  }
}

/** The largest absolute difference; infinite where lengths differ or something is no number. */
export function maxAbs(a, b) {
  if (a?.length !== b.length) return Infinity;
  return a.reduce((most, x, i) => {
    const difference = Math.abs(x - b[i]);
    return Number.isFinite(difference) ? Math.max(most, difference) : Infinity;
  }, 0);
}

/**
 * Whether `ids` are the reference's. Where they part, the reference must have been undecided: its margin there is under
 * twice the tolerance. What follows has another context and proves nothing.
 */
export function greedyAgrees(ids, reference, margins, tolerance) {
  const at = reference.findIndex((id, i) => id !== ids?.[i]);
  return at === -1 || (ids?.length === reference.length && margins[at] < 2 * tolerance);
}

/** Whether each position's likeliest token is the reference's, where its margin decides. */
export function top1Agrees(top1, reference, margins, tolerance) {
  return top1?.length === reference.length && reference.every((id, i) => id === top1[i] || margins[i] < 2 * tolerance);
}

export const sameIds = (a, b) => a?.length === b.length && a.every((id, i) => id === b[i]);
