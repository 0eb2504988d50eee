import type { DriverResult } from "../../wire/resource.ts";
import type { Run, StepState } from "../../wire/run.ts";

/** How long a step that always runs may take unless its pipeline says so. Cleanup runs on its own short clock. */
const ALWAYS_STEP_MS = 300_000;

/** The step that has been handed out and has no result. There is one at most. */
export function openStep(run: Run): StepState | undefined {
  return run.steps.find(({ status }) => status === "dispatched" || status === "running");
}

/** The run with this state of a step. */
export function withStep(run: Run, step: StepState): Run {
  return { ...run, steps: run.steps.map((other) => other.id === step.id ? step : other) };
}

/** When the run's time is over; undefined before it has begun, and once all that is left is what always runs. */
export function runDeadline({ steps, startedAt, timeoutMs }: Run): number | undefined {
  const isWorkLeft = steps.some(({ always, endedAt, status }) =>
    !always && endedAt === undefined && status !== "skipped"
  );
  return isWorkLeft && startedAt !== undefined ? startedAt + timeoutMs : undefined;
}

/** How long the step may take from its first claim, milliseconds; undefined without limit. */
export function stepLimit(run: Run, { id, always }: StepState): number | undefined {
  const { timeout } = run.pipeline.steps.find((step) => step.id === id) ?? {};
  return timeout ?? (always ? ALWAYS_STEP_MS : undefined);
}

/** The host that the step has to be done on; undefined where any will do. */
export function hostOf({ host, pipeline }: Run, { id }: StepState): string | undefined {
  return pipeline.steps.find((step) => step.id === id)?.anywhere ? undefined : host;
}

/** The run with the step closed. What follows from it has to be decided next. */
export function close(
  run: Run,
  step: StepState,
  status: "succeeded" | "failed" | "skipped",
  result: DriverResult,
  now: number,
): Run {
  return withStep(run, { ...step, status, result, endedAt: now });
}

/** The step with no attempt that may still be at work being the current one: claims of such end, results do not count. */
export function fenced(step: StepState): StepState {
  return { ...step, attempt: step.attempt + 1 };
}
