import { StepFailure } from "../base/errors.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import type { Docker, ListedContainer } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";
import { type MemoryShare, promisedMemory } from "./memory.ts";

/** Between two looks at a host that is full, milliseconds. */
const LOOK_MS = 1000;

/**
 * Resolves when a container that was created may start: a slot is left by those of its owner that run or were created before
 * it, and memory for what is promised to it. Who came first goes first, in whichever process, so that the limits hold although
 * instances look for room side by side, and nobody waits for ever. Without slots there is nothing to wait for. Throws
 * StepFailure where it would never fit, `signal.reason`.
 */
export async function waitForTurn(
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
    const before = await goingBefore(docker, own, containers, signal);
    const promised = promisedMemory(before, share);
    const hasSlot = before.length < slots;
    if (hasSlot && promised + memory <= share.all) return;
    if (!isTold) {
      await log.line(
        hasSlot
          ? `Waits for memory: ${formatSize(promised)} of ${
            formatSize(share.all)
          } are promised to builds before it`
          : `Waits for a slot: all ${slots} are taken by builds before it`,
      );
    }
    await delay(LOOK_MS, { signal });
  }
}

/**
 * Of these containers, those that go before `own`: what runs already, and what was created earlier. A list tells whole
 * seconds, so that the daemon is asked about those of the same one.
 */
async function goingBefore(
  docker: Docker,
  own: ListedContainer,
  containers: readonly ListedContainer[],
  signal: AbortSignal,
): Promise<ListedContainer[]> {
  const undecided = containers.filter((one) => one.state !== "running" && isOfOneSecond(one, own));
  const createdAt = new Map<string, number>();
  if (undecided.length > 1) {
    const found = await Promise.all(undecided.map(({ id }) => docker.inspect(id, { signal })));
    for (const one of found) if (one) createdAt.set(one.id, one.createdAt);
  }
  return containers.filter((one) => {
    if (one.id === own.id) return false;
    if (one.state === "running") return true;
    if (!isOfOneSecond(one, own)) return one.createdSecond < own.createdSecond;
    const [ms, ownMs] = [createdAt.get(one.id), createdAt.get(own.id)];
    // What is gone meanwhile takes nothing.
    if (ms === undefined || ownMs === undefined) return false;
    return ms === ownMs ? one.id < own.id : ms < ownMs;
  });
}

const isOfOneSecond = (one: ListedContainer, other: ListedContainer) =>
  one.createdSecond === other.createdSecond;
