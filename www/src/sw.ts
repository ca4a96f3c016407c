/**
 * The service worker: keeps the files of the page, and no others. The build writes their list in place of `__WB_MANIFEST`. Weights do not
 * pass through it, nor does anything that the page fetches from elsewhere.
 */
/// <reference lib="webworker" />
import { cleanupOutdatedCaches, precacheAndRoute, type PrecacheEntry } from "workbox-precaching";

declare const self: ServiceWorkerGlobalScope & { readonly __WB_MANIFEST: readonly PrecacheEntry[] };

precacheAndRoute([...self.__WB_MANIFEST], { ignoreURLParametersMatching: [/.*/] });
cleanupOutdatedCaches();

self.addEventListener("message", ({ data }: ExtendableMessageEvent) => {
  if (data === "take over") void self.skipWaiting();
});
self.addEventListener("activate", (event) => { event.waitUntil(self.clients.claim()); });
