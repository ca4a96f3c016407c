/** How far the download for a session is, as events. */
import type { Progress } from "../types.js";
import type { CreateMonitor } from "./types.js";

/** See `CreateMonitor`. */
export class DownloadMonitor extends EventTarget implements CreateMonitor {
  ondownloadprogress: ((event: ProgressEvent) => void) | null = null;
  #last = -1;

  /** A step of the load. Each event says more than the one before; 1 comes with {@link done} alone. */
  step({ loadedBytes, totalBytes }: Progress): void {
    if (totalBytes > 0 && loadedBytes < totalBytes) this.#say(loadedBytes / totalBytes);
  }

  /** Nothing has come yet. */
  begin(): void {
    this.#say(0);
  }

  /** All is here. Said also where nothing had to be downloaded. */
  done(): void {
    this.#say(1);
  }

  #say(loaded: number): void {
    if (loaded <= this.#last) return;
    this.#last = loaded;
    const event = new ProgressEvent("downloadprogress", { lengthComputable: true, loaded, total: 1 });
    this.ondownloadprogress?.(event);
    this.dispatchEvent(event);
  }
}
