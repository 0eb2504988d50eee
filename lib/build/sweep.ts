import type { Docker } from "../docker/docker.ts";
import { staysForALook } from "./keep.ts";
import { isAnnouncement, isGitContainer, isOurs, LABELS } from "./labels.ts";
import { removeGitContainer, removeRun, removeRunNetwork } from "./remove.ts";

export interface SweepOptions {
  readonly owner: string;
  /** Whether the run has not ended and somebody still works on it. `isExpired`: by what its container says, nobody does. */
  readonly isAlive: (run: string, isExpired: boolean, labels: Labels) => boolean | Promise<boolean>;
  readonly signal: AbortSignal;
}

/**
 * Removes what runs of this owner that are not alive any more left on the daemon: containers with their volumes, then runs' own
 * networks that lost their container. What somebody wants to look at stays until it expires. A volume that lost its container
 * stays too: nothing but labels, which anybody can copy, says whose it is. Returns the names of the containers it removed.
 * Where there is nothing to remove, it takes four requests, however many runs there are.
 */
export async function sweep(docker: Docker, { owner, isAlive, signal }: SweepOptions): Promise<string[]> {
  const ours = { [LABELS.owner]: owner, [LABELS.run]: "" };
  const removed: string[] = [];
  const kept = new Set<string>();
  const now = await docker.now({ signal });
  const isExpired = (labels: Labels) => Number(labels[LABELS.expires] ?? Infinity) < now;
  // Whether its run has failed is not known here.
  const isKept = (labels: Labels) => staysForALook(labels, { hasFailed: true }) && !isExpired(labels);
  for (const container of await docker.list(ours, { signal })) {
    const { name, labels, labels: { [LABELS.run]: run = "" } } = container;
    if (isGitContainer(container, owner, run) && !await isAlive(run, isExpired(labels), labels)) {
      if (await removeGitContainer(docker, { owner, run, signal })) removed.push(name);
    }
    if (!isOurs(container, owner, run)) continue;
    if (await isAlive(run, isExpired(labels), labels) || isKept(labels)) kept.add(run);
    else if (await removeRun(docker, { owner, run, signal })) removed.push(name);
  }
  const isLeft = async (labels: Labels) => {
    const { [LABELS.run]: run = "" } = labels;
    return !kept.has(run) && !await isAlive(run, isExpired(labels), labels);
  };
  const announcements = await docker.volumes({ ...ours, [LABELS.starts]: "" }, { signal });
  for (const { name, labels } of announcements.filter(isAnnouncement)) {
    if (await isLeft(labels)) await docker.removeVolume(name, { signal });
  }
  for (const network of await docker.networks(ours, { signal })) {
    const { labels, labels: { [LABELS.run]: run = "" } } = network;
    if (await isLeft(labels)) await removeRunNetwork(docker, network, run, signal);
  }
  return removed;
}

type Labels = Readonly<Record<string, string>>;
