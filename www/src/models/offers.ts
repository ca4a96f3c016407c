/** Which models the gallery offers: those of the server that the page comes from, and the package's catalogue. */
import { signal } from "@preact/signals";
import { DoranError, Engine, type Inspection, type LoadOptions, type ModelSource } from "doran";
import { catalogue, type CatalogueEntry } from "doran/catalogue";
import { pageOptions, storedChanges, type Choice } from "../model.js";
import { hubHeaders, loadOptions, loadSettings } from "./options.js";

/** A model that the server of this page has. */
export interface Served {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  readonly sha256?: string;
}

/** One card of the gallery. */
export type Offer = { readonly kind: "served"; readonly served: Served } | { readonly kind: "entry"; readonly entry: CatalogueEntry };

/** What is known of whether a model fits this device. */
export type Fit = "looking" | { readonly inspection: Inspection } | { readonly error: unknown };

/** What this server has; filled once. */
export const served = signal<readonly Served[]>([]);
/** Whether it is known what this server and this browser have: before, what is offered first might change under the reader's hand. */
export const looked = signal(false);
/** Milliseconds that a server may take to say what it has. */
const LIST_MS = 3000;
/** Verdicts by the names of offers. */
export const fits = signal<ReadonlyMap<string, Fit>>(new Map());

/** Asks the server once what it has; a plain host has nothing. `home` is the way to the main page, beside which the list is. */
export async function findServed(home = "./"): Promise<void> {
  try {
    const response = await fetch(`${home}models.json`, { signal: AbortSignal.timeout(LIST_MS) });
    const list: unknown = response.ok ? await response.json() : [];
    served.value = Array.isArray(list) ? list.filter(isServed) : [];
  } catch {
    // Served without a list, or offline.
  }
}

function isServed(value: unknown): value is Served {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string"
    && "url" in value && typeof value.url === "string" && "bytes" in value && typeof value.bytes === "number";
}

/** All offers, those of this server first. */
export const offers = (): readonly Offer[] => [
  ...served.value.map((one): Offer => ({ kind: "served", served: one })),
  ...catalogue.map((entry): Offer => ({ kind: "entry", entry })),
];

/** The name of an offer, which is also its key. */
export const nameOf = (offer: Offer): string => (offer.kind === "served" ? offer.served.name : offer.entry.name);

/** Whether a licence must be agreed to before it is loaded. */
export function mustAccept({ license }: CatalogueEntry): boolean {
  return license.nonCommercial.value !== false || license.gated.value !== false;
}

/** What loads an offer, with the page's options. */
export function choiceOf(offer: Offer): Choice {
  const options = loadOptions();
  if (offer.kind === "entry") return { name: offer.entry.name, source: offer.entry, options: forSource(options, offer.entry) };
  const { name, url, sha256 } = offer.served;
  const source = new URL(url, location.href);
  return { name, source, options: { ...forSource(options, source), ...(sha256 === undefined ? {} : { sha256 }) } };
}

/**
 * The options of a load as its source takes them: the hub's token for the hub, and nothing to quantise where that is a file by its address,
 * which is a GGUF file, or a place on the hub that names one (`owner/name-GGUF@revision`).
 */
export function forSource(options: LoadOptions, source: ModelSource): LoadOptions {
  const named = typeof source === "string" ? source : isEntryOf(source) ? source.source.value : "";
  const given = { ...options, ...(named.startsWith("hf:") ? hubHeaders() : {}) };
  if (!(source instanceof URL || /gguf$/i.test(named.replace(/@[^/]*/, "")))) return given;
  const { quantize: _, ...rest } = given;
  return rest;
}

const isEntryOf = (source: ModelSource): source is CatalogueEntry => typeof source === "object" && "license" in source;

/** Looks at a model's headers, and says whether it fits. One at a time: each takes a device of its own. */
export async function look(offer: Offer): Promise<void> {
  const name = nameOf(offer);
  if (fits.value.get(name) === "looking") return;
  tell(name, "looking");
  waiting = waiting.then(async () => {
    const { source, options } = choiceOf(offer);
    try {
      tell(name, { inspection: await inspect(source, { ...pageOptions(), ...options }) });
    } catch (error) {
      tell(name, { error });
    }
  });
  await waiting;
}

/** With quantisation where the files can be, and without where they cannot: what a repository has shows when it is read. */
async function inspect(source: ModelSource, options: LoadOptions): Promise<Inspection> {
  try {
    return await Engine.inspect(source, options);
  } catch (error) {
    const { quantize, ...rest } = options;
    if (quantize === undefined || !(error instanceof DoranError && error.code === "bad_argument")) throw error;
    return Engine.inspect(source, rest);
  }
}

let waiting: Promise<void> = Promise.resolve();

// What is stored, and how models are loaded, changes what they take.
const forget = (): void => { fits.value = new Map(); };
storedChanges.subscribe(forget);
loadSettings.subscribe(forget);

function tell(name: string, fit: Fit): void {
  fits.value = new Map(fits.value).set(name, fit);
}
