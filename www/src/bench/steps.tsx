/** How far a run is: a bar, and each step with its state. */
import type { JSX } from "preact";
import { formatShare } from "../format.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/bench.js";
import { doneOf, type Skip, type Step, type StepState } from "./plan.js";
import { problem, running, steps } from "./run.js";

/** The card of a run; nothing before the first one. */
export function Steps(): JSX.Element | null {
  if (steps.value.length === 0) return null;
  const current = steps.value.find(({ state }) => state === "running");
  return (
    <section class="card" aria-labelledby="steps-title" id="progress" data-running={String(running.value)}>
      <h2 id="steps-title">{t("steps")}</h2>
      <progress max={1} value={doneOf(steps.value)} aria-label={t("progress")} />
      <ol class="bench-steps">{steps.value.map((one, at) => <StepRow key={at} of={one} />)}</ol>
      <p class="unseen" role="status">{current !== undefined ? nameOf(current.step) : running.value || problem.value !== undefined ? "" : t(steps.value.some(({ state }) => state === "stopped") ? "stopped" : "finished")}</p>
      {problem.value !== undefined && <Problem error={problem.value} />}
    </section>
  );
}

function StepRow({ of }: { readonly of: StepState }): JSX.Element {
  return (
    <li data-step={of.step.kind} data-state={of.state} aria-current={of.state === "running" ? "step" : undefined}>
      <span>{nameOf(of.step)}</span> <span class="small bench-state">{stateOf(of)}</span>
    </li>
  );
}

function nameOf(step: Step): string {
  if (step.kind === "prefill") return t("step_prefill", { n: step.tokens });
  return step.kind === "decode" ? t("step_decode", { n: step.context }) : t(`step_${step.kind}`);
}

function stateOf({ state, fraction, skip }: StepState): string {
  if (skip !== undefined) return why(skip);
  return state === "running" && fraction !== undefined && fraction > 0 ? t("runningAt", { share: formatShare(fraction) }) : t(state);
}

const why = (skip: Skip): string => (skip.why === "context" ? t("skip_context", { n: skip.context }) : t(`skip_${skip.why}`));
