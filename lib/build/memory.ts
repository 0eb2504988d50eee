import { StepFailure } from "../base/errors.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import type { ContainerInfo, DaemonInfo } from "../docker/docker.ts";
import type { Context, DriverSettings } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";

/** Of the daemon's memory, what all containers of an owner may have together. */
const MEMORY_SHARE = 0.8;
/** Between two looks at a host without memory to spare, milliseconds. */
const LOOK_MS = 1000;

/** Bytes: what the builds of a host may have together, and what one has that asks for nothing. */
export interface MemoryShare {
  readonly all: number;
  readonly each: number;
}

export function memoryShare({ memory }: DaemonInfo, { slots }: DriverSettings): MemoryShare {
  const all = Math.floor(memory * MEMORY_SHARE);
  return { all, each: Math.floor(all / (slots ?? 1)) };
}

/** What these containers may take, by the limits they were made with, bytes. */
export function promisedMemory(containers: readonly ContainerInfo[], { each }: MemoryShare): number {
  return containers
    .filter(({ state }) => state !== "exited" && state !== "dead")
    .reduce((sum, { labels }) => sum + (Number(labels[LABELS.memory]) || each), 0);
}

/**
 * Resolves when the container may start: what is promised to it and to those of its owner that were created before it is
 * within what builds may have together. Who came first goes first, in whichever process, so that nobody waits for ever. Without
 * slots there is nothing to wait for. Throws StepFailure where it would never fit, `signal.reason`.
 */
export async function waitForMemory(
  { docker, settings: { owner, slots }, log, signal }: Context,
  container: string,
  memory: number,
  share: MemoryShare,
): Promise<void> {
  if (slots === undefined) return;
  if (memory > share.all) {
    throw new StepFailure(
      `spec.limits.memory: ${formatSize(memory)} is more than the ${
        formatSize(share.all)
      } that builds may have on this host`,
      { reason: "invalid-spec" },
    );
  }
  for (let isTold = false;; isTold = true) {
    const containers = await docker.list({ [LABELS.owner]: owner }, { signal });
    const own = containers.find(({ id }) => id === container);
    // Removed from under us: the start will say so.
    if (!own) return;
    const promised = promisedMemory(containers.filter((one) => isBefore(one, own)), share);
    if (promised + memory <= share.all) return;
    if (!isTold) {
      await log.line(
        `Waits for memory: ${formatSize(promised)} of ${
          formatSize(share.all)
        } are promised to builds before it`,
      );
    }
    await delay(LOOK_MS, { signal });
  }
}

function isBefore(one: ContainerInfo, other: ContainerInfo): boolean {
  return one.createdAt === other.createdAt ? one.id < other.id : one.createdAt < other.createdAt;
}
