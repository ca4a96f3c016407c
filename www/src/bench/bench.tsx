/** Nothing yet. */
import type { JSX } from "preact";

export function Bench(): JSX.Element {
  return <div class="page" />;
}
