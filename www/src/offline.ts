/** The service worker, which keeps the page itself: after the first visit it opens without a network. Models are kept by the engine. */
import { signal } from "@preact/signals";

/** A newer version of the page has been fetched, and waits for a reload. */
export const newVersion = signal(false);

let waiting: ServiceWorker | null = null;

/** Registers the service worker at `url`, the root of the demo. What cannot be kept is still shown. */
export async function keepOffline(url: string): Promise<void> {
  const container: ServiceWorkerContainer | undefined = navigator.serviceWorker;
  if (container === undefined) return;
  try {
    const registration = await container.register(url, { type: "module" });
    const look = (): void => {
      waiting = registration.waiting;
      // The first worker of a page has nothing to wait for.
      newVersion.value = waiting !== null && container.controller !== null;
    };
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    look();
  } catch {
    // No storage for it, or a browser without module service workers: the page works with a network.
  }
}

/** Lets the new version take over. */
export function takeNewVersion(): void {
  navigator.serviceWorker.addEventListener("controllerchange", () => { location.reload(); }, { once: true });
  waiting?.postMessage("take over");
}
