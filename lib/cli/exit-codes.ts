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
  /** The program has a defect. */
  defect: 70,
  timedOut: 124,
  /** Cancelled by somebody else, as by SIGINT. */
  cancelled: 130,
} as const;

/** The exit code of a run that has ended; `stop` is what ended it from here. */
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
