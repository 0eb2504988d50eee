import { processLog } from "../base/log.ts";
import { formatSize } from "../base/units.ts";
import type { DaemonInfo, Docker, ListedContainer } from "../docker/docker.ts";
import type { Driver, DriverSettings } from "../driver/driver.ts";
import { freeWithoutCaches } from "./cache/make-room.ts";
import { freeBytes } from "../driver/host/free-disk.ts";
import { LABELS, takingRoom } from "./labels.ts";
import { lookUntil } from "./look-until.ts";
import { memoryShare, promisedMemory } from "./memory.ts";
import { reclaim } from "./reclaim.ts";

/** Daemons for which the unreadable disk has been logged. */
const UNSEEN = new WeakSet<Docker>();

/**
 * Resolves when this host has room for one more run: a free slot, memory for a build without a limit of its
 * own, and disk. Counts containers in Docker, so the count survives restarts of drivers, plus events in hand
 * without a container. Logs each kind of lack once, and once if the free disk cannot be read.
 */
export async function waitForRoom(host: Host): Promise<boolean> {
  const { docker, settings, isHere, tell, signal } = host;
  let said: Lack["of"] | undefined;
  return await lookUntil(docker, settings.owner, async () => {
    const lack = await whatIsLacking(host);
    if (lack === undefined) return true;
    if (isHere) return false;
    tell(`Waiting for ${lack.why}`);
    // Log each kind of lack once: the amounts change with every look.
    if (lack.of !== said) processLog("driver").info("Takes no new run: waiting for {why}", { why: lack.why });
    said = lack.of;
    return undefined;
  }, { signal });
}

type Host = Omit<Parameters<NonNullable<Driver["admit"]>>[0], "policy">;

interface Lack {
  readonly of: "slot" | "memory" | "disk";
  /** What is missing, and how much of it is in use: `a slot (1 of 1 in use)`. */
  readonly why: string;
}

async function whatIsLacking(host: Host): Promise<Lack | undefined> {
  const { docker, settings, run, askRun, signal } = host;
  const [daemon, containers] = await Promise.all([
    docker.info({ signal }),
    docker.list({ [LABELS.owner]: settings.owner }, { signal }),
  ]);
  // A redelivered event needs no more room than its last attempt has taken.
  const others = takingRoom(containers).filter(({ labels }) =>
    run === undefined || labels[LABELS.run] !== run
  );
  if (lackOfPlace(others, daemon, host)) {
    const taking = await reclaim(docker, others, { owner: settings.owner, askRun, signal });
    const lack = lackOfPlace(taking, daemon, host);
    if (lack) return lack;
  }
  return await lackOfDisk(docker, daemon, settings, signal);
}

function lackOfPlace(
  containers: readonly ListedContainer[],
  daemon: DaemonInfo,
  { settings, inHand, runs }: Host,
): Lack | undefined {
  const { slots } = settings;
  if (slots === undefined) return undefined;
  const withContainer = new Set(containers.map(({ labels }) => labels[LABELS.run] ?? ""));
  const coming = inHand - runs.filter((run) => withContainer.has(run)).length;
  if (containers.length + coming >= slots) return { of: "slot", why: `a slot (${slots} of ${slots} in use)` };
  const share = memoryShare(daemon, settings);
  const promised = promisedMemory(containers, share) + coming * share.each;
  if (promised + share.each <= share.all) return undefined;
  return { of: "memory", why: `memory (${formatSize(promised)} of ${formatSize(share.all)} in use)` };
}

async function lackOfDisk(
  docker: Docker,
  daemon: DaemonInfo,
  { minFreeBytes, owner }: DriverSettings,
  signal: AbortSignal,
): Promise<Lack | undefined> {
  if (minFreeBytes === 0) return undefined;
  let free = await freeBytes(docker, daemon);
  if (free === undefined) return sayUnseen(docker, daemon);
  if (free < minFreeBytes) free = await freeWithoutCaches(docker, daemon, { minFreeBytes, owner, signal });
  if (free === undefined || free >= minFreeBytes) return undefined;
  return {
    of: "disk",
    why: `disk (Docker has ${formatSize(free)} left, expected ${formatSize(minFreeBytes)})`,
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
