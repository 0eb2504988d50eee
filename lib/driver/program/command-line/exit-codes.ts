/** Exit codes for scripts. */
export const EXIT = {
  ok: 0,
  /** The build failed. */
  failed: 1,
  /** Wrong usage or invalid input; nothing was started. */
  usage: 2,
  /** Docker, broker or API is unavailable. */
  unavailable: 3,
  /** The program has a defect. */
  defect: 70,
  timedOut: 124,
  /** Cancelled from outside, as by SIGINT. */
  cancelled: 130,
} as const;
