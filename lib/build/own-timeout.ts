import { StepFailure } from "../base/errors.ts";
import { startTimer, stopTimer } from "../base/timers.ts";
import { StopError } from "../driver/driver.ts";
import type { BuildContext } from "./policy.ts";
import { keptSeconds } from "./keep-running.ts";
import { findContainer } from "./labels.ts";

/**
 * Runs a step's work within the run's remaining time if no engine enforces the timeout. The time counts from
 * the start of the run's container, or from now without a container. At the timeout the context's signal
 * fires, and this throws `StopError` `timeout` unless the work throws a StepFailure of its own.
 */
export async function withinOwnTimeout<T>(
  context: BuildContext,
  timeoutMs: number,
  work: (context: BuildContext) => Promise<T>,
): Promise<T> {
  if (context.claimed) return await work(context);
  const leftMs = await timeLeft(context, timeoutMs);
  const own = new AbortController();
  const timer = startTimer(() => own.abort(new StopError("timeout")), leftMs);
  const signal = AbortSignal.any([context.signal, own.signal]);
  try {
    return await work({ ...context, signal });
  } catch (thrown) {
    throw signal.aborted && !(thrown instanceof StepFailure) ? signal.reason : thrown;
  } finally {
    stopTimer(timer);
  }
}

async function timeLeft(
  { docker, run, settings: { owner }, signal }: BuildContext,
  timeoutMs: number,
): Promise<number> {
  const container = await findContainer(docker, { owner, run, signal });
  if (!container) return timeoutMs;
  // Prefer the keeper's age: the daemon's clock may have been set meanwhile. A container that has not started
  // has no keeper.
  const seconds = await keptSeconds(docker, container, signal);
  if (seconds !== undefined) return Math.max(0, timeoutMs - seconds * 1000);
  return Math.max(0, container.createdAt + timeoutMs - await docker.now({ signal }));
}
