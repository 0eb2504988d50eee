/** Defaults of a driver's limits. */
export const DEFAULT_LIMITS = {
  graceMs: 10_000,
  /** Bytes of log per step. */
  maxLogBytes: 1024 ** 3,
  /** Total size of artifacts, bytes. */
  maxArtifactBytes: 2 * 1024 ** 3,
  /** Number of artifacts. */
  maxArtifactFiles: 10_000,
} as const;
