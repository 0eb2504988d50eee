import { reasonOf } from "../../wire/reasons.ts";
import type { Outcome, Run, StepState } from "../../wire/run.ts";
import type { RunChange } from "./changes.ts";
import { traceIds } from "./trace-ids.ts";

/** A span of a run's trace: the run, or one of its steps. */
export interface RunSpan {
  readonly trace: string;
  readonly id: string;
  /** Undefined for the run. */
  readonly parent?: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** The reason, if it failed. */
  readonly failure?: string;
  /** The run that this one repeats. */
  readonly linked?: { readonly trace: string; readonly id: string };
}

/**
 * Returns the span that a change ends; undefined if it ends none. Attributes are names, ids and words of
 * closed sets, following OpenTelemetry's conventions for CI/CD: no message, spec or URL, which may hold what
 * is nobody else's business.
 */
export function spanOf(change: RunChange, run: Run): RunSpan | undefined {
  if (change.kind === "run-ended") return runSpan(run);
  if (change.kind === "step-ended") return stepSpan(run, change.step);
  return undefined;
}

const RUN_RESULTS: Record<Outcome, string> = {
  succeeded: "success",
  failed: "failure",
  cancelled: "cancellation",
  "timed-out": "timeout",
};

function runSpan(run: Run): RunSpan {
  const { id, pipeline, resource, outcome = "failed", verdict, retryOf } = run;
  const failure = outcome === "succeeded" ? undefined : verdict?.reason ?? outcome;
  return {
    trace: traceIds.trace(id),
    id: traceIds.run(id),
    name: `RUN ${pipeline.name}`,
    start: run.createdAt,
    end: run.endedAt ?? run.createdAt,
    attributes: {
      "cicd.pipeline.name": pipeline.name,
      "cicd.pipeline.run.id": id,
      "cicd.pipeline.result": RUN_RESULTS[outcome],
      "conveyor.operation": run.operation,
      "conveyor.resource.name": resource.name,
      "conveyor.resource.type": resource.resource,
      ...hostOf(run),
      ...failure !== undefined && { "error.type": failure },
    },
    ...failure !== undefined && { failure },
    ...retryOf !== undefined && { linked: { trace: traceIds.trace(retryOf), id: traceIds.run(retryOf) } },
  };
}

const STEP_RESULTS: Partial<Record<StepState["status"], string>> = { succeeded: "success", skipped: "skip" };

function stepSpan(run: Run, step: StepState): RunSpan {
  const { id, driver, status, attempt, queuedAt, startedAt } = step;
  const round = run.earlier?.findIndex((steps) => steps.includes(step)) ?? -1;
  const end = step.endedAt ?? run.endedAt ?? run.createdAt;
  const start = startedAt ?? queuedAt ?? end;
  const failure = status === "failed" ? reasonOf(step.result?.data) : undefined;
  const span = traceIds.step(run, id, round === -1 ? undefined : round);
  return {
    trace: traceIds.trace(run.id),
    id: span,
    parent: traceIds.run(run.id),
    name: id,
    start,
    end,
    attributes: {
      "cicd.pipeline.name": run.pipeline.name,
      "cicd.pipeline.task.name": id,
      "cicd.pipeline.task.run.id": span,
      "cicd.pipeline.task.run.result": STEP_RESULTS[status] ?? "failure",
      "conveyor.driver": driver,
      "conveyor.attempt": attempt,
      ...queuedAt !== undefined && { "conveyor.queued_seconds": Math.max(0, start - queuedAt) / 1000 },
      ...hostOf(run),
      ...failure !== undefined && { "error.type": failure },
    },
    ...failure !== undefined && { failure },
  };
}

const hostOf = ({ host }: Run) => host === undefined ? {} : { "conveyor.host": host };
