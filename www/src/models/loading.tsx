/** How far a load is: its phase, its bytes, its speed and the time that is left; and the way to pause it. */
import type { Progress } from "doran";
import type { JSX } from "preact";
import { formatBytes, formatSeconds } from "../format.js";
import { cancelLoad, loading, togglePause } from "../model.js";
import { Button } from "../ui/controls.js";
import { t } from "../words/models.js";

/** The card of the load that runs; nothing where none does. */
export function LoadingCard(): JSX.Element | null {
  if (loading.value === undefined) return null;
  const { choice, progress, paused } = loading.value;
  const phase = progress?.phase ?? "header";
  return (
    <section class="card loading" id="loading" data-phase={phase} aria-label={choice.name}>
      <div class="row">
        <strong>{choice.name}</strong>
        <span class="row"><Button icon="pause" id="pause" onClick={togglePause}>{t(paused ? "resume" : "pause")}</Button><Button id="cancel" onClick={cancelLoad}>{t("cancel")}</Button></span>
      </div>
      <Bar progress={progress} label={choice.name} />
      <p class="small" id="loading-line">{line(progress)}</p>
      <p class="unseen" role="status">{t(phase)}</p>
    </section>
  );
}

function Bar({ progress, label }: { readonly progress: Progress | undefined; readonly label: string }): JSX.Element {
  const known = progress !== undefined && progress.totalBytes > 0 && progress.phase !== "header";
  return <progress max={1} aria-label={label} value={known ? progress.loadedBytes / progress.totalBytes : undefined} />;
}

function line(progress: Progress | undefined): string {
  if (progress === undefined) return t("header");
  const { phase, loadedBytes, totalBytes, bytesPerSecond, secondsLeft } = progress;
  const parts: string[] = [t(phase)];
  if (totalBytes > 0 && phase !== "header") {
    parts.push(t("ofBytes", { loaded: formatBytes(loadedBytes), total: formatBytes(totalBytes) }));
    const waits = phase === "paused" || phase === "offline" || loadedBytes >= totalBytes;
    if (bytesPerSecond > 0 && !waits) parts.push(t("perSecond", { speed: formatBytes(bytesPerSecond) }));
    if (secondsLeft !== undefined && secondsLeft >= 1 && !waits) parts.push(t("left", { time: formatSeconds(secondsLeft) }));
  }
  return parts.join(" · ");
}
