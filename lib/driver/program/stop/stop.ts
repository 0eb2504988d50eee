import { constants } from "node:os";
import { messageOf } from "../../../base/errors.ts";
import type { Outcome } from "../../../wire/run.ts";
import type { Reason } from "../../../wire/reasons.ts";
import { EXIT } from "../command-line/exit-codes.ts";

/** Signals that stop a command. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export const STOP_SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Why a command ends early. */
export interface Stop {
  /** The exit code of the command. */
  readonly exit: number;
  /** How the run ends. */
  readonly verdict: {
    readonly outcome: Exclude<Outcome, "succeeded">;
    readonly reason: Reason;
    readonly message: string;
  };
}

/** The exit code is the one with which a shell reports the signal. */
export const stopBySignal = (signal: StopSignal): Stop => ({
  exit: 128 + constants.signals[signal],
  verdict: { outcome: "cancelled", reason: "cancelled", message: `Cancelled by ${signal}` },
});

/** The stop of a command whose stdout cannot be written. */
export const stopByOutput = (error: Error): Stop => ({
  exit: EXIT.unavailable,
  verdict: {
    outcome: "cancelled",
    reason: "cancelled",
    message: `Cancelled: Cannot write to stdout: ${messageOf(error)}`,
  },
});

export const stopByDefect = (error: unknown): Stop => ({
  exit: EXIT.defect,
  verdict: {
    outcome: "failed",
    reason: "defect",
    message: `The program has a defect: ${messageOf(error)}`,
  },
});
