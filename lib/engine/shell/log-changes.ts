import { OUTCOME_LOG, processLog } from "../../base/log.ts";
import { onOneLine } from "../../base/text.ts";
import { reasonOf } from "../../wire/reasons.ts";
import type { Run, StepState } from "../../wire/run.ts";
import type { RunChange } from "../core/changes.ts";

/**
 * Logs a change of a run to the process log. Field names are the same in every line: event, run, resource,
 * step, driver, host, outcome, why, reason, seconds.
 */
export function logChange(change: RunChange, run: Run): void {
  const log = processLog("engine").getChild(OUTCOME_LOG);
  const facts = { event: change.kind, run: run.id, resource: run.resource.name };
  switch (change.kind) {
    case "run-started":
      return log.info("Run {run} of {resource} started", facts);
    case "step-started":
      return log.info("Step {step} of run {run} started", { ...facts, ...stepFacts(change.step, run) });
    case "lease-lost":
      return log.warn("The driver of step {step} of run {run} is lost", {
        ...facts,
        ...stepFacts(change.step, run),
      });
    case "step-ended": {
      const { step } = change;
      const reason = step.status === "failed"
        ? { why: onOneLine(step.result?.message ?? ""), reason: reasonOf(step.result?.data) }
        : {};
      const all = {
        ...facts,
        ...stepFacts(step, run),
        outcome: step.status,
        ...reason,
        seconds: secondsOf(step),
      };
      return log.info(
        `Step {step} of run {run}: {outcome} in {seconds} s${"reason" in all ? ": {why} ({reason})" : ""}`,
        all,
      );
    }
    case "run-ended": {
      const { outcome, verdict, host } = run;
      const reason = verdict?.reason === undefined ? {} : { reason: verdict.reason };
      const seconds = secondsOf({ startedAt: run.startedAt ?? run.createdAt, endedAt: run.endedAt });
      const all = { ...facts, ...host !== undefined && { host }, outcome, ...reason, seconds };
      return log.info(
        `Run {run} of {resource}: {outcome} in {seconds} s${"reason" in all ? ", {reason}" : ""}`,
        all,
      );
    }
  }
}

const stepFacts = ({ id, driver }: StepState, { host }: Run) => ({
  step: id,
  driver,
  ...host !== undefined && { host },
});

export function secondsOf(
  { startedAt, endedAt }: { startedAt?: number | undefined; endedAt?: number | undefined },
): number {
  return startedAt === undefined || endedAt === undefined ? 0 : Math.max(0, endedAt - startedAt) / 1000;
}
