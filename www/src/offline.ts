/** The service worker, which keeps the page itself: after the first visit it opens without a network. Models are kept by the engine. */
import { signal } from "@preact/signals";

/** A newer version of the page has been fetched, or took over in another tab, and waits for a reload. */
export const newVersion = signal(false);

let waiting: ServiceWorker | null = null;

/** Registers the service worker at `url`, the root of the demo. What cannot be kept is still shown. */
export async function keepOffline(url: string): Promise<void> {
  const container: ServiceWorkerContainer | undefined = navigator.serviceWorker;
  if (container === undefined) return;
  let isKept = container.controller !== null;
  container.addEventListener("controllerchange", () => {
    waiting = null;
    // Another tab let a newer version in: parts of the page that come from now on would be of that. The first worker is no news.
    newVersion.value = isKept;
    isKept = true;
  });
  try {
    const registration = await container.register(url, { type: "module" });
    const look = (): void => {
      if (registration.waiting === null) return;
      waiting = registration.waiting;
      newVersion.value = isKept;
    };
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    look();
  } catch {
    // No storage for it, or a browser without module service workers: the page works with a network.
  }
}

/** Lets the new version take over. */
export function takeNewVersion(): void {
  if (waiting === null) {
    location.reload();
    return;
  }
  navigator.serviceWorker.addEventListener("controllerchange", () => { location.reload(); }, { once: true });
  waiting.postMessage("take over");
}
