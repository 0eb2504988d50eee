import { messageOf, StepFailure } from "../base/errors.ts";
import { processLog } from "../base/log.ts";
import { backOff, jittered } from "../base/retry.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import type { Docker, ListedContainer } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { announcementName, LABELS, takingRoom } from "./labels.ts";
import { lookUntil } from "./look-until.ts";
import { type MemoryShare, promisedMemory } from "./memory.ts";
import { reclaim } from "./reclaim.ts";

/** A created container that is to start. */
export interface Starting {
  readonly id: string;
  /** Its limit with those of its services, bytes. */
  readonly memory: number;
  /** What of it is for its services, bytes. */
  readonly services?: number;
  readonly start: () => Promise<void>;
}

/**
 * Pause before a retry when two containers compete for the same room, milliseconds. Grows with each retry.
 */
const APART_MS = 50;
const MOST_APART_MS = 2000;
const ALIVE = new Set(["running", "paused", "restarting"]);

/**
 * Starts a container once its host has a slot and memory for it. Containers start in the order of their
 * creation, across all processes, so none waits forever. A volume announces the start before the room is
 * checked again: of two instances that compete for the last slot, the later one sees the other's
 * announcement. Without `slots` the container starts at once. Throws StepFailure `invalid-spec` if it can
 * never fit, and `signal.reason`.
 */
export async function startInTurn(
  context: BuildContext,
  { id, memory, services = 0, start }: Starting,
  share: MemoryShare,
): Promise<void> {
  const { docker, settings: { owner, slots }, log, askRun, signal } = context;
  if (slots === undefined) return await start();
  if (memory > share.all) {
    throw new StepFailure(
      `spec.limits.memory: ${formatSize(memory)}${
        services > 0 ? `, with ${formatSize(services)} for its services,` : ""
      } is more than the ${formatSize(share.all)} that builds may have on this host`,
      { reason: "invalid-spec" },
    );
  }
  const lackBeside = (others: readonly ListedContainer[]): string | undefined => {
    if (others.length >= slots) return `Waiting for a slot (${slots} of ${slots} in use)`;
    const promised = promisedMemory(others, share);
    if (promised + memory <= share.all) return undefined;
    return `Waiting for memory (${formatSize(promised)} of ${formatSize(share.all)} in use)`;
  };
  let isTold = false;
  await lookUntil(docker, owner, async () => {
    for (let n = 0;; n++) {
      const { own, taking, created } = await placesOn(docker, owner, id, signal);
      // The container was removed meanwhile: the start reports that.
      if (!own) return await start(), true;
      const before = [...taking, ...await earlier(docker, own, created, signal)];
      const lack = lackBeside(before) && lackBeside(await reclaim(docker, before, { owner, askRun, signal }));
      if (lack === undefined) {
        if (await startAlone(context, id, { start, isFree })) return true;
      } else if (!isTold) {
        await log.line(lack);
        isTold = true;
      }
      // No event is sent when another container's start is called off, so check again soon.
      const isContested = lack === undefined || taking.some(({ state }) => state === "created");
      if (!isContested) return undefined;
      await delay(jittered(backOff(n + 1, APART_MS, MOST_APART_MS)), { signal });
    }
  }, { signal });

  async function isFree(): Promise<boolean> {
    const { taking } = await placesOn(docker, owner, id, signal);
    return !lackBeside(taking) || !lackBeside(await reclaim(docker, taking, { owner, askRun, signal }));
  }
}

/**
 * Announces the start, and starts if there is room beside all containers that run or are announced. Returns
 * false if there is none. An announcement that cannot be removed goes with its run.
 */
async function startAlone(
  { docker, run, settings: { owner }, cleanup }: BuildContext,
  container: string,
  { start, isFree }: { start: () => Promise<void>; isFree: () => Promise<boolean> },
): Promise<boolean> {
  const name = announcementName(container);
  const labels = { [LABELS.owner]: owner, [LABELS.run]: run, [LABELS.starts]: container };
  try {
    await cleanup((signal) => docker.createVolume({ name, labels }, { signal }));
    if (!await isFree()) return false;
    await start();
    return true;
  } finally {
    await cleanup((signal) => docker.removeVolume(name, { signal })).catch((error) =>
      processLog("driver").warn("Cannot remove {name}: {why}", { name, why: messageOf(error) })
    );
  }
}

/**
 * Returns the container itself and the owner's others: `taking` are running or announced, `created` are
 * neither. Reads announcements first: a start that finishes in between then shows as a running container.
 */
async function placesOn(docker: Docker, owner: string, id: string, signal: AbortSignal) {
  const announced = await docker.volumes({ [LABELS.owner]: owner, [LABELS.starts]: "" }, { signal });
  const starting = new Set(announced.map(({ labels }) => labels[LABELS.starts]));
  const containers = takingRoom(await docker.list({ [LABELS.owner]: owner }, { signal }));
  const own = containers.find((one) => one.id === id);
  const others = containers.filter((one) => one !== own);
  const isTaking = (one: ListedContainer) => ALIVE.has(one.state) || starting.has(one.id);
  return { own, taking: others.filter(isTaking), created: others.filter((one) => !isTaking(one)) };
}

/**
 * Returns the containers that were created before `own`. A list has whole seconds, so containers of the same
 * second are inspected.
 */
async function earlier(
  docker: Docker,
  own: ListedContainer,
  containers: readonly ListedContainer[],
  signal: AbortSignal,
): Promise<ListedContainer[]> {
  const undecided = containers.filter((one) => one.createdSecond === own.createdSecond);
  const createdAt = new Map<string, number>();
  if (undecided.length > 0) {
    const found = await Promise.all([own, ...undecided].map(({ id }) => docker.inspect(id, { signal })));
    for (const one of found) if (one) createdAt.set(one.id, one.createdAt);
  }
  return containers.filter((one) => {
    if (one.createdSecond !== own.createdSecond) return one.createdSecond < own.createdSecond;
    const [ms, ownMs] = [createdAt.get(one.id), createdAt.get(own.id)];
    // A container that is gone takes no room.
    if (ms === undefined || ownMs === undefined) return false;
    return ms === ownMs ? one.id < own.id : ms < ownMs;
  });
}
