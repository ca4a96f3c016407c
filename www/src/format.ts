/** Numbers, sizes, times and names as people read them, by `Intl` in the page's language. */
import { language } from "./words.js";

/** A whole number, or one with a fraction of `digits`. */
export const formatNumber = (value: number, digits = 0): string =>
  new Intl.NumberFormat(language.value, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

/** A number in few places: 12.3 M. */
export const formatShort = (value: number): string => new Intl.NumberFormat(language.value, { notation: "compact", maximumSignificantDigits: 3 }).format(value);

/** A share of one, as a percentage. */
export const formatShare = (share: number): string => new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 0 }).format(share);

/** Bytes in the decimal unit that fits. */
export function formatBytes(bytes: number): string {
  const units = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  let value = bytes / 1000;
  let at = 0;
  for (; value >= 1000 && at < units.length - 1; at += 1) value /= 1000;
  const digits = at === 0 || value >= 100 ? 0 : 1;
  const unit = units[at] ?? "kilobyte";
  return new Intl.NumberFormat(language.value, { style: "unit", unit, maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

/** A time that need not be exact. */
export function formatSeconds(seconds: number): string {
  const [value, unit] = seconds < 90 ? [Math.ceil(seconds), "second"] : [Math.round(seconds / 60), "minute"];
  return new Intl.NumberFormat(language.value, { style: "unit", unit, unitDisplay: "short" }).format(value);
}

/** Milliseconds, or seconds where that is more than one. */
export function formatMs(ms: number): string {
  const [value, unit, digits] = ms < 1000 ? [ms, "millisecond", 0] : [ms / 1000, "second", 1];
  return new Intl.NumberFormat(language.value, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
}

/** How long ago, or the date where that is more than a week. */
export function formatAgo(then: number, now = Date.now()): string {
  const minutes = (then - now) / 60_000;
  const relative = new Intl.RelativeTimeFormat(language.value, { numeric: "auto", style: "short" });
  if (minutes > -1) return relative.format(0, "second");
  if (minutes > -60) return relative.format(Math.round(minutes), "minute");
  if (minutes > -24 * 60) return relative.format(Math.round(minutes / 60), "hour");
  if (minutes > -7 * 24 * 60) return relative.format(Math.round(minutes / 60 / 24), "day");
  return formatDate(then);
}

/** A day. */
export const formatDate = (then: number): string => new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(then);

/** A language by its tag, in the page's language. */
export const formatLanguage = (tag: string): string => new Intl.DisplayNames(language.value, { type: "language" }).of(tag) ?? tag;

/** A list of words. */
export const formatList = (items: readonly string[]): string => new Intl.ListFormat(language.value, { style: "narrow", type: "unit" }).format(items);

/** A model's name as people read it: the last part of an address. */
export function shortName(name: string): string {
  const last = name.split("/").filter((part) => part !== "").at(-1) ?? name;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
