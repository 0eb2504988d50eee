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
  maxCpus: undefined,
  maxMemory: undefined,
  maxPids: undefined,
  maxDiskBytes: undefined,
  maxTimeoutMs: undefined,
  allowImages: [],
  allowNetworks: [],
  allowEnv: [],
  allowPrivileged: false,
  allowLocalRepository: false,
  gitTokens: {},
  gitImage: undefined,
  gitKnownHosts: "",
  allowKeep: false,
  environment: {},
  dockerConfig: undefined,
});
