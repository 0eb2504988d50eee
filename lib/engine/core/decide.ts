import { formatDuration } from "../../base/units.ts";
import { type Reason, reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Outcome, Run } from "../../wire/run.ts";
import { abandon, advance, giveUp, handOut, restart, sentence } from "./moves.ts";
import { bounded, hostIn, isSkipped } from "./result.ts";
import { close, hostOf, openStep, runDeadline, stepLimit, withStep } from "./steps.ts";
import {
  driverLost,
  eventTooLarge,
  failureOf,
  queuedTooLong,
  runTimeout,
  sentToAll,
  stepTimeout,
  unwanted,
} from "./verdicts.ts";

/** The inputs of a run, except claims (claim.ts). */
export type Input =
  /** The run's record was created. */
  | { kind: "submitted" }
  /**
   * A driver has sent a result. It counts for the open step with that id and driver (without `step`, for the
   * open step of that driver), and only for the current attempt. Drivers without claims send no `attempt`.
   */
  | { kind: "result"; driver: string; step?: string; attempt?: number; result: DriverResult }
  /** A request to end the run. */
  | { kind: "stop"; outcome: Exclude<Outcome, "succeeded">; reason: Reason; message: string }
  /** The run's process is gone, and so is everything that could run a step. */
  | { kind: "abandoned"; message: string }
  /** Time has passed. Silence before `hearingSince` does not count, because we did not listen then. */
  | { kind: "time"; ackWaitMs: number; hearingSince: number; maxQueuedMs?: number }
  /** The transport no longer holds this dispatch, and no attempt has been heard from since `heardAt`. */
  | { kind: "event-lost"; step: string; dispatch: number; heardAt: number | undefined }
  /** A driver without claims has begun the step. */
  | { kind: "begun"; step: string }
  /** The transport has stored the message. */
  | { kind: "published"; id: string }
  /** No driver handles the type of a run without steps. */
  | { kind: "unwanted" }
  /** The transport will never store the message: it is larger than the broker now allows. */
  | { kind: "refused"; id: string };

/**
 * How long a host-bound cleanup may stay unclaimed, milliseconds; a host that returns later cleans up on its
 * own.
 */
export const LOST_HOST_MS = 600_000;

/**
 * Returns the run after an input, with the resulting message in its outbox; returns the same object if
 * nothing changes. Pure: two engines that see the same inputs get the same run.
 *
 * Steps are handed out one at a time, in order. The first failed step sets the verdict, after which only
 * `always` steps are handed out. A result with `success` and `data.skipped: true` counts as skipped, and the
 * next step follows. A run without steps ends when its event is published. The run ends when no step is left
 * to hand out; nothing changes it afterwards.
 */
export function decide(run: Run, input: Input, now: number): Run {
  if (run.outcome !== undefined) return run;
  switch (input.kind) {
    case "submitted":
      return run.steps.every(({ status }) => status === "pending") ? advance(run, now) : run;
    case "result":
      return onResult(run, input, now);
    case "stop": {
      const { outcome, reason, message } = input;
      return run.verdict ? run : sentence(run, { outcome, reason, message }, now);
    }
    case "abandoned":
      return abandon(run, driverLost(input.message), now);
    case "time":
      return onTime(run, input, now);
    case "event-lost": {
      const step = openStep(run);
      if (step?.id !== input.step || step.dispatch !== input.dispatch) return run;
      return step.heardAt === input.heardAt ? handOut(run, step, now) : run;
    }
    case "begun": {
      const step = openStep(run);
      if (step?.id !== input.step || step.status !== "dispatched") return run;
      // It is unknown when the driver began; count from the dispatch, so that its time limit applies.
      const startedAt = step.dispatchedAt ?? now;
      const begun = withStep(run, { ...step, status: "running", startedAt });
      return { ...begun, startedAt: run.startedAt ?? startedAt };
    }
    case "refused": {
      const step = openStep(run);
      if (!run.outbox.some(({ id }) => id === input.id)) return run;
      const refused = { ...run, outbox: [] };
      return step
        ? giveUp(refused, step, eventTooLarge(step), now)
        : sentence(refused, eventTooLarge(undefined), now);
    }
    case "published": {
      if (!run.outbox.some(({ id }) => id === input.id)) return run;
      const published = { ...run, outbox: run.outbox.filter(({ id }) => id !== input.id) };
      return run.steps.length === 0 ? sentence(published, sentToAll(run), now) : published;
    }
    case "unwanted":
      return run.steps.length === 0 ? sentence({ ...run, outbox: [] }, unwanted(run), now) : run;
  }
}

function onResult(run: Run, input: Extract<Input, { kind: "result" }>, now: number): Run {
  const step = openStep(run);
  if (step?.driver !== input.driver) return run;
  if (input.step !== undefined && input.step !== step.id) return run;
  // An attempt of a lost round has the same number until the next one is granted.
  const isAtWork = step.status === "running" && step.attempt === input.attempt;
  if (input.attempt !== undefined && !isAtWork) return run;

  const result = bounded(input.result);
  const status = !result.success ? "failed" : isSkipped(result) ? "skipped" : "succeeded";
  // Without claims the start is unknown; use the time of the dispatch.
  const startedAt = step.startedAt ?? step.dispatchedAt ?? now;
  const host = hostIn(result) ?? run.host;
  const placed = { ...run, startedAt: run.startedAt ?? startedAt, ...(host === undefined ? {} : { host }) };
  const closed = close(placed, { ...step, startedAt }, status, result, now);

  if (status !== "failed") return advance(closed, now);
  const mayRestart = !step.always && !run.verdict && run.restartsLeft > 0;
  return mayRestart && reasonOf(result.data) === "driver-lost"
    ? restart(closed, now)
    : sentence(closed, failureOf(placed, step, result, now), now);
}

function onTime(run: Run, input: Extract<Input, { kind: "time" }>, now: number): Run {
  const deadline = runDeadline(run);
  if (!run.verdict && deadline !== undefined && now >= deadline) return sentence(run, runTimeout(run), now);
  const step = openStep(run);
  if (!step) return run;
  const limit = stepLimit(run, step);
  const over = limit === undefined || step.startedAt === undefined ? -1 : now - step.startedAt - limit;
  if (limit !== undefined && over >= 0 && !step.always && !run.verdict) {
    return sentence(run, stepTimeout(step, limit), now);
  }
  // The driver knew its time limit; the ack wait is extra time to report that it was exceeded.
  if (limit !== undefined && over >= input.ackWaitMs && step.always) {
    return giveUp(run, step, stepTimeout(step, limit), now);
  }
  const silent = now - Math.max(step.heardAt ?? 0, input.hearingSince);
  if (run.verdict && !step.always && silent >= input.ackWaitMs) {
    const span = formatDuration(silent);
    return giveUp(run, step, driverLost(`The driver was told to stop and did not answer for ${span}`), now);
  }
  const { maxQueuedMs = Infinity } = input;
  const queued = now - (step.queuedAt ?? now);
  if (!run.verdict && !step.always && step.status === "dispatched" && queued >= maxQueuedMs) {
    return sentence(run, queuedTooLong(step, maxQueuedMs), now);
  }
  const waited = now - (step.dispatchedAt ?? now);
  const host = hostOf(run, step);
  if (host !== undefined && step.always && step.status === "dispatched" && waited >= LOST_HOST_MS) {
    const span = formatDuration(waited);
    return giveUp(run, step, driverLost(`No driver on host "${host}" took the step for ${span}`), now);
  }
  return run;
}
