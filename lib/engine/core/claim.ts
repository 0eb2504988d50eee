import type { ClaimRequest } from "../../wire/claim.ts";
import { ids } from "../../wire/ids.ts";
import type { Run, StepState } from "../../wire/run.ts";
import { giveUp } from "./moves.ts";
import { openStep, stepLimit, withStep } from "./steps.ts";
import { driverLost } from "./verdicts.ts";

export interface ClaimTimes {
  readonly now: number;
  /** An attempt that was silent for this long may be replaced by the next, milliseconds. */
  readonly ackWaitMs: number;
  /** How long a silent attempt has to answer a nudge before it is replaced, milliseconds. */
  readonly graceMs: number;
  /** When the current attempt was nudged, if it was. */
  readonly askedAt: number | undefined;
}

/**
 * As ClaimReply, without secrets. `ask`: it is unknown whether the current attempt is alive; nudge it now.
 */
export type Answer =
  | { answer: "go"; attempt: number; tries: number; isNew: boolean; remainingMs?: number; progress?: string }
  | { answer: "done" }
  | { answer: "stop"; reason: string }
  | { answer: "wait"; retryMs: number; ask: boolean };

/** The most attempts of a step in one round. */
export const MAX_ATTEMPTS = 10;

/**
 * The shortest wait, milliseconds: a shorter one would let two overlapping deliveries claim far too often.
 */
const SHORTEST_WAIT_MS = 50;

/**
 * Answers a claim of a step. Returns the answer and the run, which is changed if an attempt was granted or
 * heard from. Pure. Call `decide` with `time` before.
 *
 * A fresh claim (without `attempt`) gets the next attempt if nobody works on the step. It gets the same
 * attempt if the same delivery asks again because the answer was lost. If another attempt works on the step,
 * the claim waits until that attempt has been silent for the ack wait and then for the grace period of a
 * nudge, because its messages may have been lost on our side.
 */
export function claim(run: Run, request: ClaimRequest, times: ClaimTimes): { run: Run; answer: Answer } {
  const step = run.steps.find(({ id }) => id === request.step);
  if (!step) return { run, answer: { answer: "stop", reason: "invalid-event" } };
  if (request.attempt !== undefined) return renewal(run, step, request, times);
  const isCurrent = request.event.split("@")[0] === ids.event(run.id, step.id, step.dispatch);
  if (!isCurrent || step.status === "pending") return { run, answer: SUPERSEDED };
  if (step.id !== openStep(run)?.id) return { run, answer: { answer: "done" } };
  if (isStopped(run, step)) return { run, answer: { answer: "stop", reason: reasonToStop(run) } };
  if (step.status === "dispatched") return grant(run, step, request, times);
  if (step.instance === request.instance && step.delivery === request.delivery) {
    return go(heard(run, step, times), step, times, true);
  }
  const silent = times.now - (step.heardAt ?? step.startedAt ?? times.now);
  // A live instance renews every third of the ack wait, so after half of it without a renewal it has let go.
  const enough = step.instance === request.instance ? times.ackWaitMs / 2 : times.ackWaitMs;
  if (silent < enough) return { run, answer: wait(enough - silent) };
  if (times.askedAt === undefined) return { run, answer: wait(times.graceMs, true) };
  const grace = times.askedAt + times.graceMs - times.now;
  return grace > 0 ? { run, answer: wait(grace) } : grant(run, step, request, times);
}

const SUPERSEDED: Answer = { answer: "stop", reason: "driver-lost" };

/** A renewal is identified by its attempt, not by its event, which may have been sent again meanwhile. */
function renewal(
  run: Run,
  step: StepState,
  { attempt, letsGo, progress }: ClaimRequest,
  times: ClaimTimes,
): { run: Run; answer: Answer } {
  // Until the next attempt is granted, an attempt of a lost round has the same number.
  const isNobodys = step.status === "pending" || step.status === "dispatched";
  if (attempt !== step.attempt || isNobodys) return { run, answer: SUPERSEDED };
  if (step.status !== "running") return { run, answer: { answer: "done" } };
  if (letsGo) return { run: released(run, step, times.now), answer: { answer: "done" } };
  const alive = progress === undefined
    ? heard(run, step, times)
    : withStep(run, { ...step, heardAt: times.now, progress });
  // A stopped driver may wait for a slow daemon before it can clean up and report; its own runtime limits
  // that time.
  if (isStopped(run, step)) return { run: alive, answer: { answer: "stop", reason: reasonToStop(run) } };
  return go(alive, step, times, false);
}

function released(run: Run, step: StepState, now: number): Run {
  if (isStopped(run, step)) return giveUp(run, step, driverLost("The driver let go of the step"), now);
  const { instance: _instance, delivery: _delivery, heardAt: _heardAt, ...rest } = step;
  return withStep(run, { ...rest, status: "dispatched", queuedAt: now });
}

function grant(
  run: Run,
  step: StepState,
  { instance, delivery, event }: ClaimRequest,
  times: ClaimTimes,
): { run: Run; answer: Answer } {
  const { now } = times;
  if (attemptsInRound(run, step) >= MAX_ATTEMPTS) {
    const verdict = driverLost(`No driver has finished the step in ${MAX_ATTEMPTS} attempts`);
    return { run: giveUp(run, step, verdict, now), answer: SUPERSEDED };
  }
  const startedAt = step.startedAt ?? now;
  const granted: StepState = {
    ...step,
    status: "running",
    attempt: step.attempt + 1,
    instance,
    delivery,
    heardAt: now,
    startedAt,
  };
  // A claim with this event proves that it was published.
  const outbox = run.outbox.filter(({ id }) => id !== event);
  return go({ ...withStep(run, granted), startedAt: run.startedAt ?? now, outbox }, granted, times, true);
}

function attemptsInRound({ earlier }: Run, { id, attempt }: StepState): number {
  const before = earlier?.at(-1)?.find((step) => step.id === id);
  return attempt - (before?.attempt ?? 0);
}

function go(run: Run, step: StepState, { now }: ClaimTimes, isNew: boolean): { run: Run; answer: Answer } {
  const limits = [
    ...(step.always || run.startedAt === undefined ? [] : [run.startedAt + run.timeoutMs]),
    (step.startedAt ?? now) + (stepLimit(run, step) ?? Infinity),
  ];
  const remainingMs = Math.max(0, Math.min(...limits) - now);
  const tries = attemptsInRound(run, step);
  const { attempt, progress } = step;
  const answer: Answer = {
    answer: "go",
    attempt,
    tries,
    isNew,
    ...isNew && progress !== undefined && { progress },
  };
  return { run, answer: Number.isFinite(remainingMs) ? { ...answer, remainingMs } : answer };
}

/** Records a renewal, but not one soon after the last (like that of a nudge). */
function heard(run: Run, step: StepState, { now, ackWaitMs }: ClaimTimes): Run {
  const isFresh = step.heardAt !== undefined && now - step.heardAt < ackWaitMs / 4;
  return isFresh ? run : withStep(run, { ...step, heardAt: now });
}

function isStopped(run: Run, step: StepState): boolean {
  return run.verdict !== undefined && !step.always;
}

function reasonToStop({ verdict }: Run): string {
  return verdict?.reason ?? "cancelled";
}

function wait(ms: number, ask = false): Answer {
  return { answer: "wait", retryMs: Math.max(SHORTEST_WAIT_MS, Math.ceil(ms)), ask };
}
