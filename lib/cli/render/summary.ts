import { formatDuration, formatSize } from "../../base/units.ts";
import type { LogLine, RunEnded, RunEvent, StepEnded } from "../../engine/events.ts";
import { HINTS } from "./hints.ts";
import { neutral, neutralText } from "./neutral.ts";
import type { Style } from "./style.ts";

/** Of a failed step, how many of its last lines are shown once more. */
const LAST_LINES = 10;
const MAX_LISTED = 20;

/** Remembers of a run what its last words need. */
export interface Recall {
  see(event: RunEvent): void;
  readonly steps: readonly StepEnded[];
  /** The last lines of the first step that failed. */
  readonly lastLines: readonly LogLine[];
}

export function recall(): Recall {
  const steps: StepEnded[] = [];
  let recent: LogLine[] = [];
  let lastLines: readonly LogLine[] = [];
  return {
    steps,
    get lastLines() {
      return lastLines;
    },
    see(event) {
      if (event.type === "log") {
        if (recent.push(event) > 2 * LAST_LINES) recent = recent.slice(-LAST_LINES);
      } else if (event.type === "step" && event.status === "started") {
        recent = [];
      } else if (event.type === "step") {
        if (event.status === "failed" && !steps.some(({ status }) => status === "failed")) {
          lastLines = recent.slice(-LAST_LINES);
        }
        steps.push(event);
      }
    },
  };
}

/** A run's last words: its steps as a table, its artifacts, and of a failure why, what led to it, and what to do next. */
export function summary(
  end: RunEnded,
  { steps, lastLines }: Recall,
  { style, savedIn }: { style: Style; savedIn: string | undefined },
): string {
  const lines = ["", ...table(steps, style)];
  if (end.artifacts.length > 0) lines.push("", ...artifacts(end, savedIn, style));
  if (end.outcome !== "succeeded" && lastLines.length > 0) {
    lines.push("", style.bold("The last lines before it failed:"));
    lines.push(...lastLines.map(({ message }) => `  ${neutral(message)}`));
  }
  lines.push("", outcome(end, style));
  if (end.reason !== undefined) lines.push(`Next: ${HINTS[end.reason]}`);
  return `${lines.join("\n")}\n`;
}

/** How it ended, on one line. */
export function outcome({ outcome, reason, message, seconds }: RunEnded, style: Style): string {
  const took = formatDuration(seconds * 1000);
  if (outcome === "succeeded") return style.green(`Succeeded in ${took}`);
  const title = { "failed": "Failed", "cancelled": "Cancelled", "timed-out": "Timed out" }[outcome];
  const colour = outcome === "failed" ? style.red : style.yellow;
  return `${colour(`${title} after ${took}`)}: ${neutralText(message)}${
    reason === undefined ? "" : ` (${reason})`
  }`;
}

function table(steps: readonly StepEnded[], style: Style): string[] {
  const width = Math.max(4, ...steps.map(({ step }) => step.length));
  const row = (step: string, status: string, seconds: string, colour = (text: string) => text) =>
    `${step.padEnd(width)}  ${colour(status.padEnd(9))}  ${seconds.padStart(8)}`;
  return [
    style.bold(row("step", "outcome", "seconds")),
    ...steps.map(({ step, status, seconds }) =>
      row(step, status, seconds.toFixed(2), colourOf(status, style))
    ),
  ];
}

function colourOf(status: string, style: Style): (text: string) => string {
  if (status === "succeeded") return style.green;
  return status === "failed" ? style.red : style.dim;
}

function artifacts({ artifacts }: RunEnded, savedIn: string | undefined, style: Style): string[] {
  const title = savedIn === undefined ? "Artifacts:" : `Artifacts in ${savedIn}:`;
  const shown = artifacts.slice(0, MAX_LISTED);
  const width = Math.max(...shown.map(({ name }) => name.length));
  const more = artifacts.length - shown.length;
  return [
    style.bold(title),
    ...shown.map(({ name, size }) => `  ${neutral(name).padEnd(width)}  ${formatSize(size)}`),
    ...more > 0 ? [`  and ${more} more`] : [],
  ];
}
