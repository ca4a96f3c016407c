/** Figures in words: names of rows, values with their units, names of devices that can be told apart. */
import type { Result } from "../../../benches/result.mjs";
import { formatBytes, formatDate, formatMs, formatNumber, formatShare, shortName } from "../format.js";
import { language } from "../words.js";
import { t } from "../words/bench.js";
import { deviceName, type Measure } from "./figures.js";

/** Digits that a number of this size is told with. */
const digits = (value: number): number => (value >= 100 ? 0 : value >= 10 ? 1 : 2);

/** A number in three places or so. */
export const sayNumber = (value: number): string => formatNumber(value, digits(value));
/** A large number by its word: a letter behind it may be one of bytes. */
const sayMany = (value: number): string => new Intl.NumberFormat(language.value, { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 }).format(value);
/** Things one after the other. */
export const sayList = (items: readonly string[]): string => new Intl.ListFormat(language.value, { style: "long", type: "conjunction" }).format(items);
/** A speed. */
export const sayTps = (tps: number): string => t("tokensPerSecond", { n: sayNumber(tps) });
/** A short time. */
export const sayMillis = (ms: number): string => (ms < 1000 ? t("millis", { n: sayNumber(ms) }) : formatMs(ms));

/** What a row is of. */
export function nameOfMeasure(measure: Measure): string {
  switch (measure.of) {
    case "prefill": return t("promptOf", { n: measure.tokens });
    case "decode": return t("behind", { n: measure.context });
    case "limit": return t("limitBehind", { n: measure.context });
    case "share": return t("shareBehind", { n: measure.context });
    case "step": return nameOfStep(measure.rows);
    case "count": {
      const word = `counter_${measure.counter}`;
      return t.has(word) ? t(word) : measure.counter;
    }
    case "read": case "copy": case "fma": case "dot4": case "dispatch": case "roundTrip": case "cold": case "warm": case "gpu": case "weights": case "kv": case "wasm":
      return t(measure.of);
  }
}

/** A step of so many rows. */
export const nameOfStep = (rows: number): string => (rows === 1 ? t("oneToken") : t("tile", { n: rows }));

/** A value of a row, with its unit. */
export function sayValue({ of }: Measure, value: number): string {
  switch (of) {
    case "read": case "copy": return t("perSecond", { n: formatBytes(value) });
    case "fma": case "dot4": return t("perSecond", { n: sayMany(value) });
    case "dispatch": case "roundTrip": return t("micros", { n: sayNumber(value) });
    case "cold": case "warm": return formatMs(value);
    case "prefill": case "decode": case "limit": return sayTps(value);
    case "share": return formatShare(value);
    case "step": return sayMillis(value);
    case "gpu": case "weights": case "kv": case "wasm": return formatBytes(value);
    case "count": return Number.isInteger(value) || value >= 1000 ? formatNumber(value) : sayNumber(value);
  }
}

/** Which model, and when. */
export const sayOccasion = ({ model, date }: Result): string =>
  t("measured", { model: model === undefined ? t("noModel") : shortName(model.name), date: formatDate(Date.parse(date)) });

/** Names of devices: those of the same name are numbered. */
export function namesOf(results: readonly Result[]): readonly string[] {
  const seen = new Map<string, number>();
  const names = results.map(deviceName);
  return names.map((name) => {
    if (names.filter((other) => other === name).length === 1) return name;
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    return `${name} (${formatNumber(n)})`;
  });
}
