/** What went wrong, in the reader's language, with the engine's own words below. */
import { DoranError } from "doran";
import type { ComponentChildren, JSX } from "preact";
import { t } from "../words/problems.js";

/** An error as a card; `children` are what can be done. */
export function Problem({ error, children }: { readonly error: unknown; readonly children?: ComponentChildren }): JSX.Element {
  const code = error instanceof DoranError && t.has(error.code) ? error.code : "problem";
  return (
    <div class="problem" role="alert">
      <p>{t(code)}</p>
      <p class="small" lang="en">{error instanceof Error ? error.message : String(error)}</p>
      {children}
    </div>
  );
}
