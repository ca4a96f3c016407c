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
}

/** Requests since the model was ready; `undefined` while none is. */
export const requests = signal<readonly SeenRequest[] | undefined>(undefined);

const isOfInterest = (url: string): boolean => /^https?:|^wss?:/.test(url);

function note(request: SeenRequest): void {
  if (requests.value !== undefined && isOfInterest(request.url)) requests.value = [...requests.value, request];
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
    for (const { name } of list.getEntries()) note({ url: name, where: "page" });
  }).observe({ type: "resource" });
  new BroadcastChannel(CHANNEL).addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "object" && data !== null && "id" in data && data.id === id && "url" in data && typeof data.url === "string") {
      note({ url: data.url, where: "worker" });
    }
  });
}
