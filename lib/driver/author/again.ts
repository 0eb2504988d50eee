import { parseDuration } from "../../base/units.ts";

const AGAIN = Symbol.for("conveyor.again");

/** Returned by `reconcile` to be called once more. */
export interface Again {
  readonly [AGAIN]: true;
  /** As written: `30s`. */
  readonly after: string;
  readonly afterMs: number;
  readonly why: string;
  readonly progress: unknown;
}

/**
 * Return this from `reconcile` to be called again after a delay, while the run has time left: `again("30s",
 * "The server is not up yet")`. Meanwhile the step keeps its slot of the driver's `--concurrency`. The next
 * call gets `progress` in its context, also where it is a new attempt because the driver was lost (not beside
 * a Conveyor server). It is JSON, at most 16 KiB, without secrets. Throws InputError if `after` is not a
 * duration.
 */
export const again = (after: string, why: string, progress?: unknown): Again => ({
  [AGAIN]: true,
  after,
  afterMs: parseDuration(after),
  why,
  progress,
});

/** Also recognises a value made by another copy of this package. */
export const isAgain = (answer: unknown): answer is Again =>
  typeof answer === "object" && answer !== null && AGAIN in answer;
