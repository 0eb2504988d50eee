import type { DaemonInfo, ListedContainer } from "../docker/docker.ts";
import type { DriverSettings } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";

/** Of the daemon's memory, what all containers of an owner may have together. */
const MEMORY_SHARE = 0.8;

/** Bytes: what the builds of a host may have together, and what one has that asks for nothing. */
export interface MemoryShare {
  readonly all: number;
  readonly each: number;
}

/** Without `slots`, one build may have all of it. */
export function memoryShare({ memory }: DaemonInfo, { slots }: DriverSettings): MemoryShare {
  const all = Math.floor(memory * MEMORY_SHARE);
  return { all, each: Math.floor(all / (slots ?? 1)) };
}

/** What these containers may take, by the limits they were made with, bytes. */
export function promisedMemory(containers: readonly ListedContainer[], { each }: MemoryShare): number {
  return containers
    .filter(({ state }) => state !== "exited" && state !== "dead")
    .reduce((sum, { labels }) => sum + (Number(labels[LABELS.memory]) || each), 0);
}
