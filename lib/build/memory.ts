import type { DaemonInfo, ListedContainer } from "../docker/docker.ts";
import type { DriverSettings } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";

/** Share of the daemon's memory for all containers of an owner together. */
const MEMORY_SHARE = 0.8;

/** Memory for all builds of a host together, and for one build without a limit of its own, bytes. */
export interface MemoryShare {
  readonly all: number;
  readonly each: number;
}

/** Splits the memory by `slots`. Without `slots`, one build may use all of it. */
export function memoryShare({ memory }: DaemonInfo, { slots }: DriverSettings): MemoryShare {
  const all = Math.floor(memory * MEMORY_SHARE);
  return { all, each: Math.floor(all / (slots ?? 1)) };
}

/**
 * Sum of the memory limits of those containers that have not ended, bytes. A container without the label
 * counts as `each`.
 */
export function promisedMemory(containers: readonly ListedContainer[], { each }: MemoryShare): number {
  return containers
    .filter(({ state }) => state !== "exited" && state !== "dead")
    .reduce((sum, { labels }) => sum + (Number(labels[LABELS.memory]) || each), 0);
}
