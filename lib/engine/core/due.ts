import type { Run } from "../../wire/run.ts";
import { LOST_HOST_MS } from "./decide.ts";
import { openStep, runDeadline, stepLimit } from "./steps.ts";

/**
 * Returns when `decide` with `time` will next change the run if nothing else does first; Infinity for never.
 */
export function nextChange(
  run: Run,
  { ackWaitMs, hearingSince, maxQueuedMs = Infinity }: {
    ackWaitMs: number;
    hearingSince: number;
    maxQueuedMs?: number;
  },
): number {
  const step = openStep(run);
  const limit = step && stepLimit(run, step);
  const over = step?.startedAt === undefined || limit === undefined ? Infinity : step.startedAt + limit;
  const times = [run.verdict ? Infinity : runDeadline(run) ?? Infinity];
  if (step?.always) {
    times.push(over + ackWaitMs);
    if (run.host !== undefined && step.status === "dispatched") {
      times.push((step.dispatchedAt ?? Infinity) + LOST_HOST_MS);
    }
  } else if (step) {
    if (!run.verdict && step.status === "dispatched") times.push((step.queuedAt ?? Infinity) + maxQueuedMs);
    times.push(run.verdict ? Math.max(step.heardAt ?? 0, hearingSince) + ackWaitMs : over);
  }
  return Math.min(...times);
}
