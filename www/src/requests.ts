/**
 * What the page and its workers have fetched since the model was ready. The browser's own list of resources is watched, here and in
 * the worker (`worker.ts`): what is not fetched by the page's code, or was fetched behind its back, is counted all the same.
 */
import { signal } from "@preact/signals";
import { CHANNEL } from "./requests-channel.js";

/** One request. */
export interface SeenRequest {
  readonly url: string;
  readonly where: "page" | "worker";
  /** The same address was asked for before the model was ready: a file of the page, which carries nothing new. */
  readonly again: boolean;
}

/** Requests since the model was ready; `undefined` while none is. */
export const requests = signal<readonly SeenRequest[] | undefined>(undefined);

/** Addresses that were asked for before the model was ready. */
const known = new Set<string>();

const isOfInterest = (url: string): boolean => /^https?:|^wss?:/.test(url);

function note(url: string, where: SeenRequest["where"]): void {
  if (!isOfInterest(url)) return;
  if (requests.value === undefined) known.add(url);
  else requests.value = [...requests.value, { url, where, again: known.has(url) }];
}

/** Begins to count anew. */
export function startCounting(): void {
  requests.value = [];
}

/** Counts no longer: no model is loaded, or one is on its way. */
export function stopCounting(): void {
  requests.value = undefined;
}

/** Watches this page; `id` tells its worker's messages from those of other tabs. */
export function watchRequests(id: string): void {
  new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) note(name, "page");
  }).observe({ type: "resource", buffered: true });
  new BroadcastChannel(CHANNEL).addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "object" && data !== null && "id" in data && data.id === id && "url" in data && typeof data.url === "string") {
      note(data.url, "worker");
    }
  });
}
