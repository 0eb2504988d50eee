import type { DaemonInfo } from "../../docker/docker.ts";
import type { DriverSettings } from "../driver.ts";
import { hostId } from "./host-id.ts";
import type { SettingsOptions } from "./settings-flags.ts";

/** Makes a driver's settings from the flags of its program, or of `up`, for the daemon that it works with. */
export function driverSettings(
  options: SettingsOptions,
  { owner, info }: { owner: string; info: DaemonInfo },
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
    maxTimeoutMs: options.maxTimeout,
  };
}
