/** Light, dark, or as the system has it. */
import { effect, signal } from "@preact/signals";

/** What the reader chose. */
export type Theme = "system" | "light" | "dark";

const KEY = "theme";

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}

/** The theme that is shown. */
export const theme = signal<Theme>(remembered());

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme.value;
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Then it is for this visit.
  }
});
