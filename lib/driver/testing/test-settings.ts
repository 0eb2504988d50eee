import { DEFAULT_LIMITS } from "../default-limits.ts";
import type { DriverSettings } from "../driver.ts";

/** What a driver is run with in a test: the defaults, and nothing allowed beside them. */
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
