import type { DaemonInfo } from "../../docker/docker.ts";
import { dockerConfigFolder } from "../../docker/endpoint.ts";
import type { DriverSettings } from "../driver.ts";
import { homeFolder } from "./data-folder.ts";
import type { Environment } from "./command-line/environment.ts";
import type { GitAccess } from "./git/git-access.ts";
import { hostId } from "./host-id.ts";
import type { LimitOptions } from "./limit-flags.ts";

/** What the flags of a driver's program, or of `up`, allow its builds, on the daemon that it works with. */
export function driverSettings(
  options: LimitOptions,
  { owner, info, gitAccess, environment }: {
    owner: string;
    info: DaemonInfo;
    gitAccess: GitAccess;
    environment: Environment;
  },
): DriverSettings {
  return {
    owner,
    host: options.hostId ?? hostId(info),
    slots: options.slots ?? Math.max(1, info.cpus),
    graceMs: options.grace,
    minFreeBytes: options.minFree,
    maxLogBytes: options.maxLog,
    maxLogLines: options.maxLogLines,
    maxArtifactBytes: options.maxArtifacts,
    maxArtifactFiles: options.maxArtifactFiles,
    maxCpus: options.maxCpus,
    maxMemory: options.maxMemory,
    maxPids: options.maxPids,
    maxDiskBytes: options.maxDisk,
    maxTimeoutMs: options.maxTimeout,
    allowImages: options.allowImage ?? [],
    allowNetworks: options.allowNetwork ?? [],
    allowEnv: options.allowEnv ?? [],
    allowPrivileged: options.allowPrivileged === true,
    allowKeep: options.allowKeep === true,
    allowLocalRepository: false,
    ...gitAccess,
    environment,
    dockerConfig: dockerConfigFolder({ environment, home: homeFolder(environment) }),
  };
}
