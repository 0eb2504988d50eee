import { DEFAULT_LIMITS } from "../default-limits.ts";
import type { DriverSettings } from "../driver.ts";

/** A driver's settings in a test: the default limits. */
export const testSettings = (owner: string): DriverSettings => ({
  owner,
  host: "test-host",
  slots: undefined,
  graceMs: 1000,
  minFreeBytes: 0,
  maxLogBytes: DEFAULT_LIMITS.maxLogBytes,
  maxLogLines: undefined,
  maxArtifactBytes: DEFAULT_LIMITS.maxArtifactBytes,
  maxArtifactFiles: DEFAULT_LIMITS.maxArtifactFiles,
  maxTimeoutMs: undefined,
});
