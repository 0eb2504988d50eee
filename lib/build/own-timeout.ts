import { StepFailure } from "../base/errors.ts";
import { startTimer, stopTimer } from "../base/timers.ts";
import { StopError } from "../driver/driver.ts";
import type { BuildContext } from "./policy.ts";
import { keptSeconds } from "./keep-running.ts";
import { findContainer } from "./labels.ts";

/**
 * Does a step's work within what is left of the run's time, if no engine watches over that. The time counts from the start of
 * the run's container, or from now if there is none yet. When it is up, the context's signal fires, and this throws `StopError`
 * `timeout` unless the work names its failure itself.
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
  // The daemon's clock may have been set meanwhile; what has not started has nothing else to go by.
  const seconds = await keptSeconds(docker, container, signal);
  if (seconds !== undefined) return Math.max(0, timeoutMs - seconds * 1000);
  return Math.max(0, container.createdAt + timeoutMs - await docker.now({ signal }));
}
