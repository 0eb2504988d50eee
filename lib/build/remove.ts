import type { Docker } from "../docker/docker.ts";
import { findContainer, isOurs, LABELS } from "./labels.ts";

interface Owned {
  readonly owner: string;
  readonly run: string;
  readonly signal: AbortSignal;
}

/**
 * Removes the run's container with its volume, and the run's own network if it has one. Gone already is fine. Answers
 * whether there was a container. Nobody else's is touched.
 */
export async function removeRun(docker: Docker, owned: Owned): Promise<boolean> {
  const { owner, run, signal } = owned;
  const labels = { [LABELS.owner]: owner, [LABELS.run]: run };
  const [container, networks, announcements] = await Promise.all([
    findContainer(docker, owned),
    docker.networks(labels, { signal }),
    docker.volumes({ ...labels, [LABELS.starts]: "" }, { signal }),
  ]);
  const removed = container !== undefined && await docker.remove(container.id, { signal });
  for (const { name } of announcements) await docker.removeVolume(name, { signal });
  for (const { id } of networks) await docker.removeNetwork(id, { signal });
  return removed;
}

/** Removes the containers of every run of a resource: it is being deleted. Answers how many there were. */
export async function removeResource(
  docker: Docker,
  { owner, resource, signal }: { owner: string; resource: string; signal: AbortSignal },
): Promise<number> {
  const labels = { [LABELS.owner]: owner, [LABELS.resource]: resource };
  let count = 0;
  for (const container of await docker.list(labels, { signal })) {
    const run = container.labels[LABELS.run] ?? "";
    if (!isOurs(container, owner, run)) continue;
    if (await removeRun(docker, { owner, run, signal })) count++;
  }
  return count;
}
