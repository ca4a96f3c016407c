/** Pausing a download. */

const followers = new WeakMap<PauseController, Set<(paused: boolean) => void>>();

/**
 * Pauses and resumes the download of the loads that it is given to. Connections are closed meanwhile, and bytes that have come are
 * kept; what was stored is, too, should the page be closed. Loading from storage goes on.
 *
 * @example
 * ```ts
 * const pause = new PauseController();
 * button.onclick = () => (pause.paused ? pause.resume() : pause.pause());
 * const engine = await Engine.load(url, { pause });
 * ```
 */
export class PauseController {
  #paused = false;

  /** Whether downloads are paused now. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Nothing comes over the network from now on. */
  pause(): void {
    this.#set(true);
  }

  /** Downloads go on. */
  resume(): void {
    this.#set(false);
  }

  #set(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    for (const follower of followers.get(this) ?? []) follower(paused);
  }
}

/** Tells `follower` how it stands now, and of every change; gives what ends that. */
export function follow(controller: PauseController, follower: (paused: boolean) => void): () => void {
  const all = followers.get(controller) ?? new Set();
  followers.set(controller, all.add(follower));
  if (controller.paused) follower(true);
  return () => { all.delete(follower); };
}
