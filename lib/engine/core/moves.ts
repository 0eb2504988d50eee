import type { DriverResult } from "../../wire/resource.ts";
import type { Run, StepState } from "../../wire/run.ts";
import { digestOf } from "../../wire/signature.ts";
import { mostEventBytes, stepEvent, typeEvent } from "./dispatch.ts";
import { close, fenced, openStep, withStep } from "./steps.ts";
import { eventTooLarge, type Verdict } from "./verdicts.ts";

const NOT_RUN: DriverResult = { success: false, message: "Not run" };

/** Hands out the next step, or ends the run. Does nothing while a step is open. */
export function advance(run: Run, now: number): Run {
  if (openStep(run)) return run;
  // A run without steps ends once its event is published.
  if (run.steps.length === 0 && !run.verdict) return { ...run, outbox: [typeEvent(run)] };
  const next = run.steps.find(({ status, always }) => status === "pending" && (always || !run.verdict));
  return next ? handOut(run, next, now) : end(run, now);
}

/** Dispatches the step to its driver, again if it was dispatched before. */
export function handOut(run: Run, step: StepState, now: number): Run {
  const dispatch = step.dispatch + 1;
  const event = stepEvent(run, step, dispatch);
  if (!event) return giveUp(run, step, eventTooLarge(step, mostEventBytes(run)), now);
  // A running step stays running: if its attempt is alive after all, it keeps the step.
  const status = step.status === "running" ? "running" : "dispatched";
  const digest = digestOf(event.data);
  return {
    ...withStep(run, {
      ...step,
      status,
      dispatch,
      digest,
      dispatchedAt: now,
      queuedAt: step.queuedAt ?? now,
    }),
    outbox: [event],
  };
}

/** Sets the run's verdict, unless it has one: from now on only `always` steps are handed out. */
export function sentence(run: Run, verdict: Verdict, now: number): Run {
  const doomed = withSkipped({ ...run, verdict: run.verdict ?? verdict }, ({ always }) => !always);
  const step = openStep(doomed);
  if (!step || step.always) return advance(doomed, now);
  if (step.status === "dispatched") return advance(close(doomed, fenced(step), "skipped", NOT_RUN, now), now);
  // The driver has the ack wait from now to stop.
  return withStep(doomed, { ...step, heardAt: now });
}

/** Closes a step as failed, without its driver's result. */
export function giveUp(run: Run, step: StepState, verdict: Verdict, now: number): Run {
  return sentence(closeLost(run, step, verdict, now), verdict, now);
}

/**
 * Restarts the run from its first step, in a fresh container on the same host, where the old one is removed.
 */
export function restart(run: Run, now: number): Run {
  const steps = run.steps.map(({ id, driver, always, dispatch, attempt }): StepState => (
    // Dispatches and attempts keep counting, because message ids contain them.
    { id, driver, always, status: "pending", dispatch, attempt }
  ));
  const earlier = [...(run.earlier ?? []), run.steps];
  return advance({ ...run, steps, earlier, restartsLeft: run.restartsLeft - 1 }, now);
}

/** Ends the run at once; its pending steps are skipped. */
export function abandon(run: Run, verdict: Verdict, now: number): Run {
  const step = openStep(run);
  const closed = step ? closeLost(run, step, verdict, now) : run;
  return end(withSkipped({ ...closed, verdict: run.verdict ?? verdict }, () => true), now);
}

function end(run: Run, now: number): Run {
  const verdict = run.verdict ?? { outcome: "succeeded" as const, message: "Run succeeded" };
  return { ...run, verdict, outcome: verdict.outcome, endedAt: now, outbox: [] };
}

function closeLost(run: Run, step: StepState, { message, reason }: Verdict, now: number): Run {
  return close(run, fenced(step), "failed", { success: false, message, data: { reason } }, now);
}

function withSkipped(run: Run, which: (step: StepState) => boolean): Run {
  const steps = run.steps.map((step): StepState =>
    step.status === "pending" && which(step) ? { ...step, status: "skipped", result: NOT_RUN } : step
  );
  return { ...run, steps };
}
