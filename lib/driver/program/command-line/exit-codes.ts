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
