/** Nothing yet. */
import type { JSX } from "preact";

export function Chat(): JSX.Element {
  return <div class="page" />;
}
