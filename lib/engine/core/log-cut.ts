import { formatDuration } from "../../base/units.ts";
import type { Run } from "../../wire/run.ts";

/** Says that lines of a log are not there any more. */
export interface LogCut {
  type: "cut";
  run: string;
  reason: "retention";
  message: string;
}

/**
 * Returns the cut of a log of which no line is left because logs are kept for `keepLogsMs` only; undefined if
 * it is whole. A run of which no step has begun has never had a log.
 */
export function cutOf(
  run: Run,
  { lines, keepLogsMs, now }: { lines: number; keepLogsMs: number; now: number },
): LogCut | undefined {
  const { id, endedAt, steps } = run;
  const hasBegun = steps.some(({ startedAt }) => startedAt !== undefined);
  if (lines > 0 || endedAt === undefined || !hasBegun || now - endedAt < keepLogsMs) return undefined;
  const message = `The log was removed: logs are kept for ${formatDuration(keepLogsMs)}`;
  return { type: "cut", run: id, reason: "retention", message };
}
