/** The models to choose from, by a word or by a language. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { formatLanguage } from "../format.js";
import { language } from "../words.js";
import { t } from "../words/models.js";
import { Card, goodFor } from "./card.js";
import { nameOf, offers, type Offer } from "./offers.js";

const languagesOf = (offer: Offer): readonly string[] => (offer.kind === "entry" ? offer.entry.languages.value ?? [] : []);

/** The gallery with its filters. */
export function Gallery(): JSX.Element {
  const [query, setQuery] = useState("");
  const [tag, setTag] = useState("");
  const all = offers();
  const tags = [...new Set(all.flatMap(languagesOf))].sort((a, b) => formatLanguage(a).localeCompare(formatLanguage(b), language.value));
  const wanted = query.normalize("NFKC").toLocaleLowerCase();
  const shown = all.filter((offer) => {
    const words = offer.kind === "entry" ? `${offer.entry.name} ${offer.entry.source.value} ${offer.entry.goodFor} ${goodFor(offer.entry)}` : nameOf(offer);
    return words.toLocaleLowerCase().includes(wanted) && (tag === "" || languagesOf(offer).includes(tag));
  });
  return (
    <section aria-labelledby="gallery-title">
      <div class="section-head">
        <h2 id="gallery-title">{t("gallery")}</h2>
        <div class="filters">
          <input type="search" aria-label={t("filter")} placeholder={t("filter")} value={query} onInput={(event) => { setQuery(event.currentTarget.value); }} />
          <select aria-label={t("language")} value={tag} onChange={(event) => { setTag(event.currentTarget.value); }}>
            <option value="">{t("anyLanguage")}</option>
            {tags.map((one) => <option key={one} value={one}>{formatLanguage(one)}</option>)}
          </select>
        </div>
      </div>
      {shown.length === 0 ? <p class="small">{t("noneFound")}</p> : <ul class="gallery" id="gallery">{shown.map((offer) => <Card key={nameOf(offer)} offer={offer} />)}</ul>}
    </section>
  );
}
