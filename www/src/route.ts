/** Which view is shown: the part of the address behind `#/`. */
import { signal } from "@preact/signals";

/** The views of the main page. */
export const VIEWS = ["chat", "models", "compare", "play"] as const;
/** One of them. */
export type View = (typeof VIEWS)[number];

const isView = (name: string): name is View => VIEWS.some((view) => view === name);

function current(): View {
  const name = location.hash.replace(/^#\//, "").split("/")[0] ?? "";
  return isView(name) ? name : "chat";
}

/** The view that is shown. */
export const view = signal<View>(current());

/** The address of a view. */
export const hrefOf = (name: View): string => (name === "chat" ? "#/" : `#/${name}`);

/** Shows a view. */
export function go(name: View): void {
  location.hash = hrefOf(name).slice(1);
}

addEventListener("hashchange", () => {
  view.value = current();
  scrollTo(0, 0);
});
