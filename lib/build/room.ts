import { statfs } from "node:fs/promises";
import { processLog } from "../base/log.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import type { Docker } from "../docker/docker.ts";
import type { Driver, DriverSettings } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";

/** Between two looks at a host that is full, milliseconds. */
const LOOK_MS = 1000;

/**
 * Resolves when this host has room for one more run: fewer containers of this owner than it has slots, and disk. Containers
 * are counted from Docker, so that the count survives whatever happens to drivers; events in hand may not have theirs yet
 * and count as well. Says once why it waits.
 */
export const waitForRoom: NonNullable<Driver["admit"]> = async ({ docker, settings, inHand, signal }) => {
  for (let said = "";;) {
    const lacking = await whatIsLacking(docker, settings, inHand, signal);
    if (lacking === undefined) return;
    if (lacking !== said) processLog("driver").info("Takes no new run: {lacking}", { lacking });
    said = lacking;
    await delay(LOOK_MS, { signal });
  }
};

async function whatIsLacking(
  docker: Docker,
  { owner, slots, minFreeBytes }: DriverSettings,
  inHand: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (slots !== undefined) {
    const taken = await docker.list({ [LABELS.owner]: owner }, { signal });
    if (taken.length + inHand >= slots) return `all ${slots} slots are taken`;
  }
  if (minFreeBytes === 0) return undefined;
  const free = await freeBytes(docker, signal);
  if (free === undefined || free >= minFreeBytes) return undefined;
  return `Docker has ${formatSize(free)} of disk left, expected ${formatSize(minFreeBytes)}`;
}

/** Free disk where Docker keeps its containers; undefined where that is another machine's, or not to be seen from here. */
async function freeBytes(docker: Docker, signal: AbortSignal): Promise<number | undefined> {
  if (!docker.endpoint.startsWith("unix:")) return undefined;
  const { rootFolder } = await docker.info({ signal });
  try {
    const { bavail, bsize } = await statfs(rootFolder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
