import type { Docker } from "../../lib/docker/docker.ts";
import type { Driver, DriverSettings } from "../../lib/driver/driver.ts";

export const TYPE = "bench";

/** A driver that only says when it was called. */
export function noOp(name: string, onBegin: (run: string) => void = () => {}): Driver {
  return {
    name,
    resources: [TYPE],
    reconcile({ run }) {
      onBegin(run);
      return Promise.resolve({ success: true, message: "" });
    },
  };
}

/** No driver here asks it anything. */
export const NO_DOCKER = {} as Docker;

export const SETTINGS: DriverSettings = {
  owner: "bench",
  host: "bench",
  slots: undefined,
  graceMs: 1000,
  minFreeBytes: 0,
  maxLogBytes: 1024 ** 3,
  maxArtifactBytes: 0,
  maxCpus: undefined,
  maxMemory: undefined,
  maxTimeoutMs: undefined,
  allowImages: [],
  allowNetworks: [],
  allowEnv: [],
  allowPrivileged: false,
  allowLocalRepository: false,
  gitTokens: {},
  keep: "never",
  environment: {},
  dockerConfig: undefined,
};
