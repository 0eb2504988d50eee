import { randomUUID } from "node:crypto";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import { localStream } from "../../lib/build/git/local-stream.ts";
import type { DriverSettings } from "../../lib/driver/driver.ts";
import { testSettings as kitSettings } from "../../lib/driver/testing/test-settings.ts";

/** Settings of an operator with the default limits, and an owner of the test's own. */
export const testSettings = (settings: Partial<DriverSettings> = {}): DriverSettings => ({
  ...kitSettings(`test-${randomUUID()}`),
  ...settings,
});

/** The policy of an operator who allows only local repositories. */
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
    readLocal: localStream,
    gitTokens: {},
    gitImage: undefined,
    gitKnownHosts: "",
    allowKeep: false,
    environment: {},
    dockerConfig: undefined,
    ...policy,
  };
}
