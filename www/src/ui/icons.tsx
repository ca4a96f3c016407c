/** Icons as strokes in the colour of the text. They say nothing to a screen reader: what they stand for is said in words beside them. */
import type { JSX } from "preact";

const PATHS = {
  send: "M10 16V5M5 10l5-5 5 5",
  stop: "M6 6h8v8H6zM7 7.500h6M7 9h6M7 10.500h6M7 12h6",
  plus: "M10 4v12M4 10h12",
  chat: "M4 5h12v8H9l-4 3v-3H4z",
  models: "M10 3l6 3.5v7L10 17l-6-3.500v-7zM4 6.500L10 10l6-3.500M10 10v7",
  compare: "M4 4h5v12H4zM11 4h5v12h-5z",
  play: "M7 4l-4 6 4 6M13 4l4 6-4 6",
  bench: "M4 16V9M8 16V4M12 16v-5M16 16V7",
  search: "M9 4a5 5 0 100 10A5 5 0 009 4zM13 13l4 4",
  edit: "M4 16l1-4 8-8 3 3-8 8z",
  retry: "M15.500 8A6 6 0 104.500 12M15.500 4v4h-4",
  copy: "M7 7h9v9H7zM4 13V4h9",
  menu: "M4 6h12M4 10h12M4 14h12",
  close: "M5 5l10 10M15 5L5 15",
  settings: "M4 6h7M15 6h1M4 14h1M9 14h7M11 4v4M7 12v4",
  trash: "M5 6h10M8 6V4h4v2M6 6l1 10h6l1-10",
  download: "M10 4v9M6 9l4 4 4-4M4 16h12",
  shield: "M10 3l6 2v5c0 3.500-2.500 6-6 7-3.500-1-6-3.500-6-7V5z",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  check: "M4 10l4 4 8-8",
  sun: "M10 7a3 3 0 100 6 3 3 0 000-6zM10 2v2M10 16v2M2 10h2M16 10h2M4.500 4.500l1.400 1.400M14.100 14.100l1.400 1.400M4.500 15.500l1.400-1.400M14.100 5.900l1.400-1.400",
  moon: "M15 12A6 6 0 018 5a6 6 0 107 7z",
  pause: "M7 5v10M13 5v10",
} as const;

/** Which icons there are. */
export type IconName = keyof typeof PATHS;

/** An icon. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
