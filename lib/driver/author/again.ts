import { parseDuration } from "../../base/units.ts";

const AGAIN = Symbol.for("conveyor.again");

/** What `reconcile` returns to be called once more. */
export interface Again {
  readonly [AGAIN]: true;
  /** As it was written: `30s`. */
  readonly after: string;
  readonly afterMs: number;
  readonly why: string;
  readonly progress: unknown;
}

/**
 * Returned by `reconcile`, it has the driver called again after a while, for as long as the run has time: `again("30s", "The server is
 * not up yet")`. The step keeps its place in the driver's `--concurrency` meanwhile. The next call finds `progress` in its context;
 * an attempt that takes over from a driver that was lost starts without. Throws InputError on a time that is none.
 */
export const again = (after: string, why: string, progress?: unknown): Again => ({
  [AGAIN]: true,
  after,
  afterMs: parseDuration(after),
  why,
  progress,
});

/** Also of one that another copy of this package has made. */
export const isAgain = (answer: unknown): answer is Again =>
  typeof answer === "object" && answer !== null && AGAIN in answer;
