import type { EndedRun } from "./start-run.ts";

/** Returns how each step of a run has ended: `succeeded`, `skipped`, `failed: cancelled`, … */
export function stepOutcomes({ events }: EndedRun): Record<string, string> {
  const outcomes: Record<string, string> = {};
  for (const event of events) {
    if (event.type !== "step" || event.status === "started") continue;
    const { reason } = event.result.data as { reason?: string };
    outcomes[event.step] = reason === undefined ? event.status : `${event.status}: ${reason}`;
  }
  return outcomes;
}
