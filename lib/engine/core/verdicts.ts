import { formatDuration, formatSize } from "../../base/units.ts";
import { reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Run, StepState } from "../../wire/run.ts";

/** How a run will end, and why. */
export type Verdict = NonNullable<Run["verdict"]>;

/** Returns the verdict of a run with a failed step. */
export function failureOf(run: Run, step: StepState, result: DriverResult, now: number): Verdict {
  const reason = reasonOf(result.data);
  // The driver has the same deadline and may notice it first.
  if (reason === "timeout" && now >= (run.startedAt ?? now) + run.timeoutMs) return runTimeout(run);
  const outcome = reason === "timeout" ? "timed-out" : reason === "cancelled" ? "cancelled" : "failed";
  const message = `Step "${step.id}" failed${result.message === "" ? "" : `: ${result.message}`}`;
  return { outcome, reason, message };
}

export function runTimeout(run: Run): Verdict {
  const message = `The run took longer than ${formatDuration(run.timeoutMs)}`;
  return { outcome: "timed-out", reason: "timeout", message };
}

export function stepTimeout(step: StepState, limitMs: number): Verdict {
  const message = `Step "${step.id}" took longer than ${formatDuration(limitMs)}`;
  return { outcome: "timed-out", reason: "timeout", message };
}

export function queuedTooLong(step: StepState, limitMs: number): Verdict {
  const message = `No driver "${step.driver}" took step "${step.id}" within ${
    formatDuration(limitMs)
  } (--max-queued)`;
  return { outcome: "timed-out", reason: "timeout", message };
}

export function driverLost(message: string): Verdict {
  return { outcome: "failed", reason: "driver-lost", message };
}

/** The verdict of a run without steps. */
export function sentToAll({ resource }: Run): Verdict {
  const message = `Sent to every driver that handles "${resource.resource}": without a pipeline nobody waits`;
  return { outcome: "succeeded", message };
}

export function unwanted({ resource }: Run): Verdict {
  const message = `No driver handles "${resource.resource}", and the type has no default pipeline`;
  return { outcome: "failed", reason: "no-pipeline", message };
}

export function eventTooLarge(step: StepState | undefined, most?: number): Verdict {
  const size = most === undefined ? "" : ` (${formatSize(most)})`;
  const message =
    `The event${step ? ` of step "${step.id}"` : ""} has more bytes than a message may have${size}: ` +
    "expected less in the spec, the metadata and the results of earlier steps";
  return { outcome: "failed", reason: "invalid-spec", message };
}
