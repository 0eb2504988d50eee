import type { RunEvent } from "../../lib/engine/core/events.ts";

/**
 * Returns what is wrong with a run's timeline: lines must be numbered 1, 2, 3 …, and the last event must be
 * the end, with their count.
 */
export function wrongInTimeline(events: readonly RunEvent[]): string[] {
  const found: string[] = [];
  const seqs = events.flatMap((event) => event.type === "log" ? [event.seq] : []);
  const gap = seqs.findIndex((seq, i) => seq !== i + 1);
  if (gap >= 0) found.push(`line ${gap + 1} has the number ${seqs[gap]}`);
  const end = events.at(-1);
  if (end?.type !== "end") found.push(`the last event is ${JSON.stringify(end)}`);
  else if (end.lines !== seqs.length) found.push(`it has ${end.lines} lines, of which ${seqs.length} came`);
  return found;
}

/** Returns how each step ended, in order: `builder succeeded`. */
export function stepsOf(events: readonly RunEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [`${event.step} ${event.status}`] : []
  );
}

/** Matches `line 1`, `line 2` … */
export const isCounted = (line: string): boolean => line.startsWith("line ");

/** Returns the numbered lines of a step's output. */
export function countedLines(events: readonly RunEvent[], step: string): string[] {
  return events.flatMap((event) =>
    event.type === "log" && event.step === step && isCounted(event.message) ? [event.message] : []
  );
}

/** Returns how many lines are `line 1`, `line 2` … in order, from the first on. */
export function inOrder(lines: readonly string[]): number {
  const odd = lines.findIndex((line, i) => line !== `line ${i + 1}`);
  return odd < 0 ? lines.length : odd;
}
