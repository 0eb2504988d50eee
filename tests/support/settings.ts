import { randomUUID } from "node:crypto";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import type { DriverSettings } from "../../lib/driver/driver.ts";

/** Settings of an operator who limits nothing. */
export function testSettings(settings: Partial<DriverSettings> = {}): DriverSettings {
  return {
    owner: `test-${randomUUID()}`,
    host: "test-host",
    slots: undefined,
    graceMs: 1000,
    minFreeBytes: 0,
    maxLogBytes: 1024 ** 3,
    maxLogLines: undefined,
    maxArtifactBytes: 1024 ** 3,
    maxArtifactFiles: 10_000,
    maxTimeoutMs: undefined,
    ...settings,
  };
}

/** The policy of an operator who allows nothing beside local repositories. */
export function testPolicy(policy: Partial<BuildPolicy> = {}): BuildPolicy {
  return {
    maxCpus: undefined,
    maxMemory: undefined,
    maxPids: undefined,
    maxDiskBytes: undefined,
    gitMirror: false,
    caches: { maxBytes: undefined, maxAgeMs: undefined },
    allowImages: [],
    allowNetworks: [],
    allowEnv: [],
    allowPrivileged: false,
    allowLocalRepository: true,
    gitTokens: {},
    gitImage: undefined,
    gitKnownHosts: "",
    allowKeep: false,
    environment: {},
    dockerConfig: undefined,
    ...policy,
  };
}
