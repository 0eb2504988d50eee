import type { Submission } from "../../../lib/engine/core/submission.ts";
import { newRun } from "../../../lib/engine/core/new-run.ts";
import type { PipelineStep, Resource } from "../../../lib/wire/resource.ts";
import type { Run } from "../../../lib/wire/run.ts";

export const RUN = "11111111-2222-4333-8444-555555555555";
export const TYPE = "thing";

/**
 * Parses steps like `a b c!`: each has its own driver, and `!` marks one that always runs. `x:a` is the step
 * x of the driver a.
 */
export function stepsOf(text: string): PipelineStep[] {
  return text.split(" ").map((word) => {
    const [id = "", driver = id] = word.replace("!", "").split(":");
    return { id, name: `Step ${id}`, driver, ...(word.endsWith("!") ? { always: true } : {}) };
  });
}

export function submission(steps: string, changes: Partial<Submission> = {}): Submission {
  const resource: Resource = { id: "r-1", name: "one", resource: TYPE, spec: { size: 1 } };
  return {
    resource,
    pipeline: { name: "line", resource: TYPE, steps: stepsOf(steps) },
    operation: "create",
    timeoutMs: 3_600_000,
    restarts: 0,
    secrets: {},
    ...changes,
  };
}

/** Returns the record of a new run. */
export function runOf(steps: string, changes: Partial<Submission> = {}): Run {
  return newRun(RUN, submission(steps, changes), 0);
}

/** Returns the state of the steps: `a:succeeded b:running`. */
export function statuses(run: Run): string {
  return run.steps.map(({ id, status }) => `${id}:${status}`).join(" ");
}
