import { statfs } from "node:fs/promises";
import { processLog } from "../base/log.ts";
import { formatSize } from "../base/units.ts";
import type { DaemonInfo, Docker, ListedContainer } from "../docker/docker.ts";
import type { Driver, DriverSettings } from "../driver/driver.ts";
import { LABELS, takingRoom } from "./labels.ts";
import { lookUntil } from "./look-until.ts";
import { memoryShare, promisedMemory } from "./memory.ts";

/** Daemons whose disk cannot be seen from here, which has been said. */
const UNSEEN = new WeakSet<Docker>();

/**
 * Resolves when this host has room for one more run: fewer containers of this owner than it has slots, memory for one that
 * asks for nothing, and disk. Containers are counted from Docker, so that the count survives whatever happens to drivers;
 * events in hand may not have theirs yet and count as well. Says once why it waits, and once that nobody can see the disk.
 */
export const waitForRoom: NonNullable<Driver["admit"]> = async (
  { docker, settings, inHand, isHere, signal },
) => {
  let said: Lack["of"] | undefined;
  return await lookUntil(docker, settings.owner, async () => {
    const lack = await whatIsLacking(docker, settings, inHand, signal);
    if (lack === undefined) return true;
    if (isHere) return false;
    // Once for each thing that lacks: how much of it does changes with every look.
    if (lack.of !== said) processLog("driver").info("Takes no new run: {why}", { why: lack.why });
    said = lack.of;
    return undefined;
  }, { signal });
};

interface Lack {
  readonly of: "slots" | "memory" | "disk";
  readonly why: string;
}

async function whatIsLacking(
  docker: Docker,
  settings: DriverSettings,
  inHand: number,
  signal: AbortSignal,
): Promise<Lack | undefined> {
  const [daemon, containers] = await Promise.all([
    docker.info({ signal }),
    docker.list({ [LABELS.owner]: settings.owner }, { signal }),
  ]);
  return lackOfPlace(takingRoom(containers), daemon, settings, inHand) ??
    await lackOfDisk(docker, daemon, settings);
}

function lackOfPlace(
  containers: readonly ListedContainer[],
  daemon: DaemonInfo,
  settings: DriverSettings,
  inHand: number,
): Lack | undefined {
  const { slots } = settings;
  if (slots === undefined) return undefined;
  if (containers.length + inHand >= slots) return { of: "slots", why: `all ${slots} slots are taken` };
  const share = memoryShare(daemon, settings);
  const promised = promisedMemory(containers, share) + inHand * share.each;
  if (promised + share.each <= share.all) return undefined;
  const why = `${formatSize(promised)} of the ${formatSize(share.all)} of memory for builds are promised`;
  return { of: "memory", why };
}

async function lackOfDisk(
  docker: Docker,
  daemon: DaemonInfo,
  { minFreeBytes }: DriverSettings,
): Promise<Lack | undefined> {
  if (minFreeBytes === 0) return undefined;
  const free = await freeBytes(docker, daemon);
  if (free === undefined) return sayUnseen(docker, daemon);
  if (free >= minFreeBytes) return undefined;
  return {
    of: "disk",
    why: `Docker has ${formatSize(free)} of disk left, expected ${formatSize(minFreeBytes)}`,
  };
}

function sayUnseen(docker: Docker, { rootFolder }: DaemonInfo): undefined {
  if (UNSEEN.has(docker)) return;
  UNSEEN.add(docker);
  processLog("driver").warn(
    "Cannot see how much disk Docker has left in {rootFolder} at {endpoint}: --min-free has no effect",
    { rootFolder, endpoint: docker.endpoint },
  );
}

/** Free disk where Docker keeps its containers; undefined where that is another machine's, or not to be seen from here. */
async function freeBytes({ endpoint }: Docker, { rootFolder }: DaemonInfo): Promise<number | undefined> {
  if (!endpoint.startsWith("unix:")) return undefined;
  try {
    const { bavail, bsize } = await statfs(rootFolder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
