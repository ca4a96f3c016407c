/** The page that explains itself where models cannot run. */
import type { Support } from "doran";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Button } from "./ui/controls.js";
import { t } from "./words/unsupported.js";

/** What a report needs: no more than any page can see. */
function facts({ reason, adapter }: Support): string {
  const lines = [
    `reason: ${reason ?? "none"}`,
    `address: ${location.origin}`,
    `secure context: ${String(window.isSecureContext)}`,
    `navigator.gpu: ${"gpu" in navigator ? "present" : "missing"}`,
    `browser: ${navigator.userAgent}`,
    `cores: ${String(navigator.hardwareConcurrency)}`,
  ];
  if (adapter !== undefined) lines.push(`adapter: ${JSON.stringify(adapter, null, 1)}`);
  return lines.join("\n");
}

/** Why models cannot run here, what to do, and what to send with a report. */
export function Unsupported({ support }: { readonly support: Support & { readonly reason: NonNullable<Support["reason"]> } }): JSX.Element {
  const { reason } = support;
  const [copied, setCopied] = useState(false);
  const shown = useRef<HTMLPreElement>(null);
  const text = facts(support);
  const copy = (): void => {
    // The clipboard needs a secure context: without one, select the text so that it can be copied by hand.
    const clipboard: Clipboard | undefined = navigator.clipboard;
    if (clipboard !== undefined) void clipboard.writeText(text).then(() => { setCopied(true); });
    else if (shown.current !== null) getSelection()?.selectAllChildren(shown.current);
  };
  return (
    <div class="page" id="unsupported">
      <h1>{t(reason)}</h1>
      <p>{t(`${reason}_why`, { origin: location.origin })}</p>
      <ul>{t(`${reason}_steps`).split("|").map((step) => <li key={step}>{step}</li>)}</ul>
      <h2>{t("facts")}</h2>
      <pre id="facts" tabIndex={0} ref={shown}>{text}</pre>
      <Button onClick={copy}>{t(copied ? "copied" : "copy")}</Button>
    </div>
  );
}
