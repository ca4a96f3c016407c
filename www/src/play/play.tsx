/** Nothing yet. */
import type { JSX } from "preact";

export function Play(): JSX.Element {
  return <div class="page" />;
}
