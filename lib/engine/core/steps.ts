import type { DriverResult } from "../../wire/resource.ts";
import type { Run, StepState } from "../../wire/run.ts";

/**
 * The time limit of an `always` step if its pipeline sets none, milliseconds: cleanup has a short limit of
 * its own.
 */
const ALWAYS_STEP_MS = 300_000;

/** Returns the step that has been handed out and has no result; there is at most one. */
export function openStep(run: Run): StepState | undefined {
  return run.steps.find(({ status }) => status === "dispatched" || status === "running");
}

/** Returns the run with one step replaced. */
export function withStep(run: Run, step: StepState): Run {
  return { ...run, steps: run.steps.map((other) => other.id === step.id ? step : other) };
}

/** Returns the run's deadline; undefined before start and once only `always` steps remain. */
export function runDeadline({ steps, startedAt, timeoutMs }: Run): number | undefined {
  const isWorkLeft = steps.some(({ always, endedAt, status }) =>
    !always && endedAt === undefined && status !== "skipped"
  );
  return isWorkLeft && startedAt !== undefined ? startedAt + timeoutMs : undefined;
}

/** Returns the step's time limit from its first claim, milliseconds; undefined for no limit. */
export function stepLimit(run: Run, { id, always }: StepState): number | undefined {
  const { timeout } = run.pipeline.steps.find((step) => step.id === id) ?? {};
  return timeout ?? (always ? ALWAYS_STEP_MS : undefined);
}

/** Returns the host that the step must run on; undefined if any host will do. */
export function hostOf({ host, pipeline }: Run, { id }: StepState): string | undefined {
  return pipeline.steps.find((step) => step.id === id)?.anywhere ? undefined : host;
}

/** Returns the run with the step closed. The caller decides what follows. */
export function close(
  run: Run,
  step: StepState,
  status: "succeeded" | "failed" | "skipped",
  result: DriverResult,
  now: number,
): Run {
  const { progress: _progress, ...rest } = step;
  return withStep(run, { ...rest, status, result, endedAt: now });
}

/** Bumps the attempt, so claims and results of the previous one are ignored. */
export function fenced(step: StepState): StepState {
  return { ...step, attempt: step.attempt + 1 };
}
