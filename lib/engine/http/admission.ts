import { monotonicClock } from "../../base/clock.ts";
import type { RunTable } from "../../backend/store.ts";
import { Problem } from "./problem.ts";

/** How long a count of open runs stays valid, milliseconds. */
const COUNT_MS = 100;

/**
 * Returns a check to call before taking a run. Throws Problem 503 while the control plane drains and 429 if
 * too many runs are open.
 */
export function admission(
  { runs, draining, maxOpenRuns }: {
    runs: Pick<RunTable, "open">;
    draining: AbortSignal;
    maxOpenRuns: number;
  },
): () => Promise<void> {
  let open = 0;
  let countedAt = -Infinity;
  return async () => {
    if (draining.aborted) {
      throw new Problem(503, "The control plane is shutting down and takes no more runs", {
        "Retry-After": "10",
      });
    }
    if (maxOpenRuns === Infinity) return;
    if (monotonicClock() - countedAt >= COUNT_MS || open >= maxOpenRuns) {
      countedAt = monotonicClock();
      open = (await runs.open()).length;
    }
    if (open >= maxOpenRuns) {
      throw new Problem(
        429,
        `${open} runs have not ended: expected fewer than ${maxOpenRuns} for another one`,
        {
          "Retry-After": "10",
        },
      );
    }
    // Counts runs admitted before the next count.
    open++;
  };
}
