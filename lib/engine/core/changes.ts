import type { Run, StepState } from "../../wire/run.ts";

/** A change of a run between two records. */
export type RunChange =
  | { readonly kind: "run-started" }
  | { readonly kind: "step-started"; readonly step: StepState }
  /** Its attempt was silent for too long, and another one has begun. */
  | { readonly kind: "lease-lost"; readonly step: StepState }
  | { readonly kind: "step-ended"; readonly step: StepState }
  | { readonly kind: "run-ended" };

/** Returns the changes between two records, in order. `before` is undefined for a new run. */
export function changesOf(before: Run | undefined, after: Run): RunChange[] {
  const changes: RunChange[] = before ? [] : [{ kind: "run-started" }];
  const lost = (after.earlier?.length ?? 0) - (before?.earlier?.length ?? 0);
  // A restarted run has moved the previous record's steps to `earlier`.
  if (lost > 0) changes.push(...stepChanges(before?.steps ?? [], after.earlier?.at(-1) ?? []));
  changes.push(...stepChanges(lost > 0 ? [] : before?.steps ?? [], after.steps));
  if (after.outcome !== undefined && before?.outcome === undefined) changes.push({ kind: "run-ended" });
  return changes;
}

function stepChanges(before: readonly StepState[], after: readonly StepState[]): RunChange[] {
  return after.flatMap((step, i): RunChange[] => {
    const was = before[i];
    if (was === step) return [];
    const changes: RunChange[] = [];
    const isRunning = step.status === "running";
    const isNew = was?.status !== "running" &&
      (isRunning || (isClosed(step) && step.startedAt !== undefined));
    if (isRunning && was?.status === "running" && was.attempt !== step.attempt) {
      changes.push({ kind: "lease-lost", step: was }, { kind: "step-started", step });
    } else if (isNew && !(was && isClosed(was))) changes.push({ kind: "step-started", step });
    if (isClosed(step) && !(was && isClosed(was)) && was?.status !== "pending") {
      changes.push({ kind: "step-ended", step });
    }
    return changes;
  });
}

const isClosed = ({ status }: StepState): boolean => ["succeeded", "failed", "skipped"].includes(status);
