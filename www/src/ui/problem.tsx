/** What went wrong, in the reader's language, with the engine's own words below. */
import { DoranError } from "doran";
import type { ComponentChildren, JSX } from "preact";
import { StoreError } from "../conversations/errors.js";
import { t } from "../words/problems.js";

/** The words for an error: the engine's, or those of conversations that cannot be kept. */
function codeOf(error: unknown): Parameters<typeof t>[0] {
  const code = error instanceof DoranError ? error.code : error instanceof StoreError ? `store_${error.code}` : "problem";
  return t.has(code) ? code : "problem";
}

/** An error as a card; `children` are what can be done. */
export function Problem({ error, children }: { readonly error: unknown; readonly children?: ComponentChildren }): JSX.Element {
  const code = codeOf(error);
  return (
    <div class="problem" role="alert">
      <p>{t(code)}</p>
      <p class="small" lang="en">{error instanceof Error ? error.message : String(error)}</p>
      {children}
    </div>
  );
}
