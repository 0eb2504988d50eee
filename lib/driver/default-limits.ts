/** What a driver works within where nobody says otherwise. */
export const DEFAULT_LIMITS = {
  graceMs: 10_000,
  /** Of each step, bytes. */
  maxLogBytes: 1024 ** 3,
  /** Of a run, bytes. */
  maxArtifactBytes: 2 * 1024 ** 3,
  /** Of a run. */
  maxArtifactFiles: 10_000,
} as const;
