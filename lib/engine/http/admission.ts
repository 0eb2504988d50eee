import type { Engine } from "../shell/engine.ts";
import { Problem } from "./problem.ts";

/**
 * Returns a check to call before taking a submitter's run. Throws Problem 503 while the control plane drains
 * and 429 if too many runs are open, of all or of this submitter. Requests that are checked at the same
 * moment may exceed a bound by their number.
 */
export function admission(
  { engine, draining, maxOpenRuns, maxRunsEach }: {
    engine: Pick<Engine, "openRuns">;
    draining: AbortSignal;
    maxOpenRuns: number;
    maxRunsEach: number;
  },
): (submitter: string | undefined) => void {
  const later = { "Retry-After": "10" };
  return (submitter) => {
    if (draining.aborted) {
      throw new Problem(503, "The control plane is shutting down and takes no more runs", later);
    }
    const open = engine.openRuns();
    if (open >= maxOpenRuns) {
      throw new Problem(
        429,
        `${open} runs have not ended: expected fewer than ${maxOpenRuns} for another one`,
        later,
      );
    }
    const own = submitter === undefined ? 0 : engine.openRuns(submitter);
    if (own >= maxRunsEach) {
      throw new Problem(
        429,
        `${own} runs of "${submitter}" have not ended: expected fewer than ${maxRunsEach} for another one`,
        later,
      );
    }
  };
}
