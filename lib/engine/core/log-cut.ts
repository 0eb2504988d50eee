import { counted, formatDuration } from "../../base/units.ts";
import type { Run } from "../../wire/run.ts";

/** Says that lines of a log are not there any more: it stands where they were. */
export interface LogCut {
  type: "cut";
  run: string;
  /** `retention`: for their age. `room`: to make room for others. `lost`: nobody knows. */
  reason: "retention" | "room" | "lost";
  /** The step whose lines they were, and how many, if that is known. */
  step?: string;
  lines?: number;
  message: string;
}

/** How long logs are kept, milliseconds, and the time. */
export interface LogAge {
  readonly keepLogsMs: number;
  readonly now: number;
}

/**
 * Returns the cut of a log without any line left: it was removed to make room, or logs are kept for
 * `keepLogsMs` only. Undefined if it is whole, as that of a run without a step that has begun.
 */
export function wholeCut(
  run: Run,
  { lines, isRemoved, keepLogsMs, now }: LogAge & { lines: number; isRemoved: boolean },
): LogCut | undefined {
  const { id, endedAt } = run;
  if (lines > 0 || !hasBegun(run)) return undefined;
  if (isRemoved) {
    return { type: "cut", run: id, reason: "room", message: "The log was removed to make room for others" };
  }
  if (endedAt === undefined || now - endedAt < keepLogsMs) return undefined;
  const message = `The log was removed: ${keptFor(keepLogsMs)}`;
  return { type: "cut", run: id, reason: "retention", message };
}

/**
 * Returns the cut before the first line that is left, which is of `step`: the steps before it began when
 * lines were stored that are not kept any more. Only for a store that removes a log line by line.
 */
export function stepsCut(run: Run, step: string, { keepLogsMs, now }: LogAge): LogCut | undefined {
  const steps = [...run.earlier ?? [], run.steps].flat();
  const at = steps.findIndex(({ id }) => id === step);
  const before = steps.slice(0, Math.max(0, at));
  const isGone = before.some(({ endedAt }) => endedAt !== undefined && now - endedAt > keepLogsMs);
  if (!isGone) return undefined;
  const message = `What steps wrote before "${step}" was removed: ${keptFor(keepLogsMs)}`;
  return { type: "cut", run: run.id, reason: "retention", message };
}

/** Missing lines of a step's attempt. */
export interface Gap {
  readonly step: string;
  readonly lines: number;
  /** True if they are the attempt's first lines. */
  readonly isFirst: boolean;
  /** When the step began, milliseconds since the epoch. */
  readonly startedAt: number | undefined;
}

/** Returns the cut before a line of `step`: this many lines of `step` that preceded it are not there. */
export function gapCut(
  run: Run,
  { step, lines, isFirst, startedAt }: Gap,
  { keepLogsMs, now }: LogAge,
): LogCut {
  // Lines expire in their order, at the earliest when they are as old as the step.
  const isAged = isFirst && startedAt !== undefined && now - startedAt > keepLogsMs;
  const what = `${counted(lines, "line")} of step "${step}" ${lines === 1 ? "is" : "are"}`;
  const message = isAged
    ? `${what} not there any more: ${keptFor(keepLogsMs)}`
    : `${what} missing here: the log's store has lost or removed them`;
  return { type: "cut", run: run.id, reason: isAged ? "retention" : "lost", step, lines, message };
}

const hasBegun = ({ steps }: Run): boolean => steps.some(({ startedAt }) => startedAt !== undefined);
const keptFor = (ms: number): string => `logs are kept for ${formatDuration(ms)}`;
