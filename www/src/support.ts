/** The page that explains itself where models cannot run. */
import { Engine, type Support } from "doran";
import { byId, make } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

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

/** Shows why and what to do. Gives `true` where models can run. */
export async function checkSupport(): Promise<boolean> {
  const support = await Engine.support();
  const { reason } = support;
  if (support.supported || reason === undefined) return true;
  const copy = byId("copy-facts", HTMLButtonElement);
  const text = facts(support);
  onLanguage(() => {
    byId("unsupported-title", HTMLHeadingElement).textContent = t(reason);
    byId("unsupported-why", HTMLParagraphElement).textContent = t(`${reason}_why`, { origin: location.origin });
    byId("unsupported-steps", HTMLUListElement).replaceChildren(...t(`${reason}_steps`).split("|").map((step) => make("li", "", step)));
  });
  const shown = byId("facts", HTMLPreElement);
  shown.textContent = text;
  copy.addEventListener("click", () => {
    // The clipboard needs a secure context: without one, select the text so that it can be copied by hand.
    const clipboard: Clipboard | undefined = navigator.clipboard;
    if (clipboard === undefined) getSelection()?.selectAllChildren(shown);
    else void clipboard.writeText(text).then(() => { copy.textContent = t("copied"); });
  });
  byId("unsupported", HTMLElement).hidden = false;
  return false;
}
