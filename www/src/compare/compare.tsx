/** Nothing yet. */
import type { JSX } from "preact";

export function Compare(): JSX.Element {
  return <div class="page" />;
}
