import type { ContainerInfo, Docker } from "../docker/docker.ts";
import { isOurs, LABELS } from "./labels.ts";
import { removeRun } from "./remove.ts";

export interface SweepOptions {
  readonly owner: string;
  /** Whether the run has not ended and somebody still works on it. */
  readonly isAlive: (run: string) => boolean | Promise<boolean>;
  readonly signal: AbortSignal;
}

/**
 * Removes what runs of this owner left on the daemon that are not alive any more: containers with their volumes, then
 * volumes and networks that lost their container. What somebody wants to look at stays until it expires. Answers the
 * names of the containers it removed.
 */
export async function sweep(docker: Docker, { owner, isAlive, signal }: SweepOptions): Promise<string[]> {
  const ours = { [LABELS.owner]: owner, [LABELS.run]: "" };
  const removed: string[] = [];
  const kept = new Set<string>();
  for (const container of await docker.list(ours, { signal })) {
    const run = container.labels[LABELS.run] ?? "";
    if (!isOurs(container, owner, run)) continue;
    if (await isAlive(run) || await isKept(docker, container, signal)) kept.add(run);
    else if (await removeRun(docker, { owner, run, signal })) removed.push(container.name);
  }
  const isLeft = async (labels: Readonly<Record<string, string>>) => {
    const run = labels[LABELS.run] ?? "";
    return !kept.has(run) && !await isAlive(run);
  };
  for (const volume of await docker.volumes(ours, { signal })) {
    if (await isLeft(volume.labels)) await docker.removeVolume(volume.name, { signal });
  }
  for (const { id, name } of await docker.networks(ours, { signal })) {
    const network = await docker.network(name, { signal });
    if (network && await isLeft(network.labels)) await docker.removeNetwork(id, { signal });
  }
  return removed;
}

async function isKept(docker: Docker, container: ContainerInfo, signal: AbortSignal): Promise<boolean> {
  if (container.labels[LABELS.keep] === undefined) return false;
  return Number(container.labels[LABELS.expires]) > await docker.now({ signal });
}
