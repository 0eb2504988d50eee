import type { RunEvent } from "../../lib/engine/core/events.ts";

/** What is wrong with a run's timeline, whatever it is about: lines are numbered 1, 2, 3 …, and the last event is its end, which counts them. */
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

/** How each step has ended, in order: `builder succeeded`. */
export function stepsOf(events: readonly RunEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [`${event.step} ${event.status}`] : []
  );
}

/** Of the lines `line 1`, `line 2` … */
export const isCounted = (line: string): boolean => line.startsWith("line ");

/** The lines of a step's output that count. */
export function countedLines(events: readonly RunEvent[], step: string): string[] {
  return events.flatMap((event) =>
    event.type === "log" && event.step === step && isCounted(event.message) ? [event.message] : []
  );
}

/** How many of the lines are `line 1`, `line 2` … from the first on. */
export function inOrder(lines: readonly string[]): number {
  const odd = lines.findIndex((line, i) => line !== `line ${i + 1}`);
  return odd < 0 ? lines.length : odd;
}
