import type { Engine } from "../shell/engine.ts";
import { Problem } from "./problem.ts";

/**
 * Returns a check to call before taking a run. Throws Problem 503 while the control plane drains and 429 if
 * too many runs are open. Requests that are checked at the same moment may exceed the bound by their number.
 */
export function admission(
  { engine, draining, maxOpenRuns }: {
    engine: Pick<Engine, "openRuns">;
    draining: AbortSignal;
    maxOpenRuns: number;
  },
): () => void {
  const later = { "Retry-After": "10" };
  return () => {
    if (draining.aborted) {
      throw new Problem(503, "The control plane is shutting down and takes no more runs", later);
    }
    const open = engine.openRuns;
    if (open < maxOpenRuns) return;
    throw new Problem(
      429,
      `${open} runs have not ended: expected fewer than ${maxOpenRuns} for another one`,
      later,
    );
  };
}
