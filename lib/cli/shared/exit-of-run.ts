import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import type { RunEnded } from "../../engine/core/events.ts";

/** Returns the exit code of an ended run. `stop`: the stop request of this process, if any. */
export function exitOfRun({ outcome, reason }: RunEnded, stop?: { readonly exit: number }): number {
  if (stop?.exit === EXIT.defect) return EXIT.defect;
  switch (outcome) {
    case "succeeded":
      return EXIT.ok;
    case "timed-out":
      return EXIT.timedOut;
    case "cancelled":
      return stop?.exit ?? EXIT.cancelled;
    case "failed":
      if (reason === "docker-unreachable" || reason === "transport-unreachable") return EXIT.unavailable;
      if (reason === "defect") return EXIT.defect;
      return reason === "invalid-spec" ? EXIT.usage : EXIT.failed;
  }
}
