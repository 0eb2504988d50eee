import { constants } from "node:os";
import type { RunEnded } from "../engine/events.ts";

/** What a script can tell from our exit code. */
export const EXIT = {
  ok: 0,
  /** The build failed. */
  failed: 1,
  /** Wrong usage or invalid input, refused before anything was started. */
  usage: 2,
  /** Cannot work here: no Docker, broker or API to be reached. */
  unavailable: 3,
  timedOut: 124,
} as const;

/** Signals that cancel. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** 128 and the signal's number, as a shell reports it. */
export const exitOfSignal = (signal: StopSignal): number => 128 + constants.signals[signal];

/** The exit code of a run that has ended; `signal` is what cancelled it from here. */
export function exitOfRun({ outcome, reason }: RunEnded, signal?: StopSignal): number {
  switch (outcome) {
    case "succeeded":
      return EXIT.ok;
    case "timed-out":
      return EXIT.timedOut;
    case "cancelled":
      return exitOfSignal(signal ?? "SIGINT");
    case "failed":
      if (reason === "docker-unreachable" || reason === "transport-unreachable") return EXIT.unavailable;
      return reason === "invalid-spec" ? EXIT.usage : EXIT.failed;
  }
}
