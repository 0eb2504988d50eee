import { cutText } from "../../../base/text.ts";
import { formatDuration, formatSize } from "../../../base/units.ts";
import type { LogLine, RunEnded, RunEvent, StepEnded } from "../../../engine/core/events.ts";
import { reasonOf } from "../../../wire/reasons.ts";
import { hintFor } from "./hints.ts";
import { neutral, neutralText } from "../../../driver/program/command-line/neutral.ts";
import type { EndFacts } from "./renderer.ts";
import type { Style } from "./style.ts";
import { paddedWidth } from "./table.ts";

/** Number of a failed step's last lines in the summary. */
const LAST_LINES = 10;
/** A longer one stands whole in the log above. */
const MOST_LINE_BYTES = 2000;
const MAX_LISTED = 20;

/** Collects what the summary of a run needs. */
export interface Recall {
  see(event: RunEvent): void;
  readonly steps: readonly StepEnded[];
  /** The last lines of the first step that failed. */
  readonly lastLines: readonly LogLine[];
  /** Whether the container of a failed build is kept for inspection. */
  readonly isKept: boolean;
}

/**
 * The outcome of a step for people, which separates stopped steps from failed ones. Scripts get `failed`, and
 * the reason in its data.
 */
export type StepOutcome = StepEnded["status"] | "cancelled" | "timed out";

export function outcomeOfStep({ status, result }: StepEnded): StepOutcome {
  if (status !== "failed") return status;
  const reason = reasonOf(result.data);
  return reason === "cancelled" ? "cancelled" : reason === "timeout" ? "timed out" : status;
}

export function recall(): Recall {
  const steps: StepEnded[] = [];
  let recent: LogLine[] = [];
  // What we have said since: of artifacts and reports, if the step has failed.
  let since: LogLine[] = [];
  let lastLines: readonly LogLine[] = [];
  let isKept = false;
  return {
    steps,
    get lastLines() {
      return lastLines;
    },
    get isKept() {
      return isKept;
    },
    see(event) {
      if (event.type === "run") {
        isKept = ["failure", "always"].includes(keepIn(event.resource.spec));
      } else if (event.type === "log") {
        if (isOfBuild(event)) {
          if (since.length > 0) recent.push(...since.splice(0));
          recent = withLine(recent, event);
        } else since = withLine(since, event);
      } else if (event.type === "step" && event.status === "started") {
        [recent, since] = [[], []];
      } else if (event.type === "step") {
        if (event.status === "failed" && !steps.some(({ status }) => status === "failed")) {
          lastLines = (recent.length > 0 ? recent : since).slice(-LAST_LINES);
        }
        steps.push(event);
      }
    },
  };
}

function withLine(lines: LogLine[], line: LogLine): LogLine[] {
  return lines.push(line) > 2 * LAST_LINES ? lines.slice(-LAST_LINES) : lines;
}

/** Whether a line is a command, or what it has printed. */
const isOfBuild = ({ stream, message }: LogLine): boolean => stream !== "system" || message.startsWith("$ ");

/**
 * Returns the summary of a run: its steps as a table, its artifacts, and for a failure the last log lines,
 * the reason and what to do next.
 */
export function summary(
  end: RunEnded,
  { steps, lastLines, isKept }: Recall,
  { style, savedIn, showAgain }: EndFacts & { style: Style },
): string {
  const lines = ["", ...table(steps, style)];
  if (end.artifacts.length > 0) lines.push("", ...artifacts(end, savedIn, style));
  if (end.outcome !== "succeeded" && lastLines.length > 0) {
    const what = end.outcome === "failed" ? "failed" : "was stopped";
    lines.push("", style.bold(`The last lines before it ${what}:`));
    lines.push(...lastLines.map(({ message }) => `  ${cutText(neutral(message), MOST_LINE_BYTES)}`));
  }
  lines.push("", outcome(end, style));
  const next = end.reason && hintFor(end.reason, { isKept });
  if (next !== undefined) lines.push(`Next: ${next}`);
  if (showAgain !== undefined) lines.push(style.dim(`Show it again: ${showAgain}`));
  return `${lines.join("\n")}\n`;
}

/** Returns the outcome of a run on one line. */
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
    ...steps.map((event) => {
      const outcome = outcomeOfStep(event);
      return row(event.step, outcome, event.seconds.toFixed(2), colourOf(outcome, style));
    }),
  ];
}

/** Returns the style function for a step's outcome. */
export function colourOf(outcome: StepOutcome, style: Style): (text: string) => string {
  switch (outcome) {
    case "succeeded":
      return style.green;
    case "failed":
      return style.red;
    case "skipped":
      return style.dim;
    default:
      return style.yellow;
  }
}

function keepIn(spec: unknown): string {
  return typeof spec === "object" && spec !== null && "keep" in spec ? String(spec.keep) : "never";
}

function artifacts({ artifacts }: RunEnded, savedIn: string | undefined, style: Style): string[] {
  const title = savedIn === undefined ? "Artifacts:" : `Artifacts in ${savedIn}:`;
  const shown = artifacts.slice(0, MAX_LISTED);
  const width = paddedWidth(shown.map(({ name }) => name.length));
  const more = artifacts.length - shown.length;
  return [
    style.bold(title),
    ...shown.map(({ name, size, link }) =>
      `  ${neutral(name).padEnd(width)}  ${
        link === undefined ? formatSize(size) : `link to ${neutral(link)}`
      }`
    ),
    ...more > 0 ? [`  and ${more} more`] : [],
  ];
}
