import type { DriverResult, Resource } from "../../wire/resource.ts";
import type { LogStream } from "../../wire/messages.ts";
import type { Reason } from "../../wire/reasons.ts";
import type { Artifact, Outcome } from "../../wire/run.ts";

/**
 * The events of a run for a follower, in order: the lines of the command line's `--json`. Times are RFC 3339
 * with milliseconds.
 */
export type RunEvent = RunStarted | StepStarted | StepEnded | LogLine | RunEnded;

export interface RunStarted {
  type: "run";
  run: string;
  resource: Resource;
  time: string;
}

export interface StepStarted {
  type: "step";
  run: string;
  step: string;
  driver: string;
  status: "started";
  time: string;
}

export interface StepEnded {
  type: "step";
  run: string;
  step: string;
  driver: string;
  status: "succeeded" | "failed" | "skipped";
  seconds: number;
  result: DriverResult;
  time: string;
}

/** `seq` counts 1, 2, 3 … through the run. */
export interface LogLine {
  type: "log";
  run: string;
  step: string;
  seq: number;
  stream: LogStream;
  time: string;
  message: string;
}

/** Always the last event. `reason` is set unless the run succeeded. */
export interface RunEnded {
  type: "end";
  run: string;
  outcome: Outcome;
  reason?: Reason;
  message: string;
  seconds: number;
  lines: number;
  artifacts: Artifact[];
}
