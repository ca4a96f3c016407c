/** One model of the gallery: what it is for, what it takes, under which licence, and whether it fits this device. */
import type { CatalogueEntry } from "doran/catalogue";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { formatBytes, formatLanguage, formatList, formatShort } from "../format.js";
import { load, loading, type Choice } from "../model.js";
import { go, view } from "../route.js";
import { Button, Dialog, Field } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { language } from "../words.js";
import { KOREAN } from "../words/catalogue.js";
import { t } from "../words/models.js";
import { t as shell } from "../words/shell.js";
import { choiceOf, fits, look, mustAccept, nameOf, type Fit, type Offer } from "./offers.js";
import { token } from "./options.js";

/** Languages that a card names; of more it gives the number. */
const NAMED_LANGUAGES = 4;

/** Loads a model, and shows the chat once it is ready, unless the reader has gone elsewhere meanwhile. */
export async function loadAndChat(choice: Choice): Promise<void> {
  const from = view.value;
  if (await load(choice) && view.value === from) go("chat");
}

/** What a model is for, in the reader's language. */
export const goodFor = ({ id, goodFor: english }: CatalogueEntry): string => (language.value === "ko" ? KOREAN[id] ?? english : english);

/** A card. */
export function Card({ offer }: { readonly offer: Offer }): JSX.Element {
  const [accepting, setAccepting] = useState(false);
  const name = nameOf(offer);
  const entry = offer.kind === "entry" ? offer.entry : undefined;
  const begin = (): void => {
    if (entry !== undefined && mustAccept(entry)) setAccepting(true);
    else void loadAndChat(choiceOf(offer));
  };
  return (
    <li class="card model" data-name={name}>
      <h3>{name}</h3>
      {entry !== undefined && <p>{goodFor(entry)}</p>}
      <p class="small facts">{factsOf(offer)}</p>
      {entry !== undefined && <Licence entry={entry} />}
      <Verdict fit={fits.value.get(name)} />
      <div class="buttons">
        <Button kind="main" onClick={begin} disabled={loading.value !== undefined || (entry !== undefined && entry.unsupported !== null)} label={t("loadNamed", { name })}>{t("load")}</Button>
        <Button onClick={() => void look(offer)} disabled={fits.value.get(name) === "looking" || (entry !== undefined && entry.unsupported !== null)} label={t("checkNamed", { name })}>{t("check")}</Button>
      </div>
      {accepting && entry !== undefined && <Accept entry={entry} onClose={() => { setAccepting(false); }} />}
    </li>
  );
}

function factsOf(offer: Offer): string {
  if (offer.kind === "served") return formatBytes(offer.served.bytes);
  const { bytes, parameters, languages, unsupported, large } = offer.entry;
  const facts: string[] = [];
  if (parameters.value !== null) facts.push(t("parameters", { n: formatShort(parameters.value) }));
  facts.push(bytes.value === null ? t("sizeUnknown") : formatBytes(bytes.value));
  if (languages.value !== null) {
    const named = formatList(languages.value.slice(0, NAMED_LANGUAGES).map(formatLanguage));
    const more = languages.value.length - NAMED_LANGUAGES;
    facts.push(more > 0 ? `${named} ${t.count("moreLanguages", more)}` : named);
  }
  if (unsupported !== null) facts.push(t("unsupported"));
  if (large) facts.push(t("large"));
  return facts.join(" · ");
}

function Licence({ entry: { license } }: { readonly entry: CatalogueEntry }): JSX.Element {
  const name = license.name.value ?? t("licenseUnknown");
  return (
    <p class="small">
      {t("license")}: {license.url.value === null ? name : <a href={license.url.value} target="_blank" rel="noopener noreferrer">{name}</a>}
      {license.nonCommercial.value === true && <span class="chip warn">{t("nonCommercial")}</span>}
      {license.gated.value === true && <span class="chip warn">{t("gated")}</span>}
    </p>
  );
}

function Verdict({ fit }: { readonly fit: Fit | undefined }): JSX.Element | null {
  if (fit === undefined) return null;
  if (fit === "looking") return <p class="small" role="status">{t("checking")}</p>;
  if ("error" in fit) return <Problem error={fit.error} />;
  const { verdict, gpu, downloadBytes, reason, adjustments } = fit.inspection;
  const context = adjustments.find((one) => one.what === "context");
  const takes = downloadBytes === 0 ? t("takesStored", { gpu: formatBytes(gpu.totalBytes) }) : t("takes", { gpu: formatBytes(gpu.totalBytes), download: formatBytes(downloadBytes) });
  return (
    <div class="verdict" role="status" data-verdict={verdict}>
      <span class={`chip ${verdict}`}>{t(verdict)}</span>
      <span class="small">{takes}{context?.what === "context" && ` · ${t("shorter", { n: context.to })}`}</span>
      {reason !== null && <p class="small" lang="en">{reason}</p>}
    </div>
  );
}

/** A licence is shown before what is under it is loaded. */
function Accept({ entry, onClose }: { readonly entry: CatalogueEntry; readonly onClose: () => void }): JSX.Element {
  const [agreed, setAgreed] = useState(false);
  const { name, license } = entry;
  const choice = choiceOf({ kind: "entry", entry });
  return (
    <Dialog title={t("acceptTitle")} closeLabel={shell("close")} onClose={onClose}>
      <p>{t("acceptWhy", { name })}</p>
      {license.url.value !== null && <p><a href={license.url.value} target="_blank" rel="noopener noreferrer">{t("readLicense")}</a></p>}
      <label class="check"><input type="checkbox" checked={agreed} onChange={(event) => { setAgreed(event.currentTarget.checked); }} /> {t("accept", { license: license.name.value ?? t("licenseUnknown") })}</label>
      {license.gated.value !== false && (
        <Field label={t("token")} help={t("tokenHelp")}>
          {(id, help) => <input id={id} aria-describedby={help} type="password" autocomplete="off" value={token.value} onInput={(event) => { token.value = event.currentTarget.value; }} />}
        </Field>
      )}
      <div class="buttons">
        <Button kind="main" disabled={!agreed} onClick={() => { onClose(); void loadAndChat({ ...choice, options: { ...choiceOf({ kind: "entry", entry }).options, acceptLicense: true } }); }}>{t("load")}</Button>
        <Button onClick={onClose}>{t("cancel")}</Button>
      </div>
    </Dialog>
  );
}
