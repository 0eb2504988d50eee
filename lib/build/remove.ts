import type { Docker } from "../docker/docker.ts";
import { findContainer, gitContainerName, isGitContainer, isOurs, LABELS } from "./labels.ts";

interface Owned {
  readonly owner: string;
  readonly run: string;
  readonly signal: AbortSignal;
}

/**
 * Removes the run's container with its volume, the one that clones for it, and the run's own network if it has one. Gone
 * already is fine. Answers whether there was a container. Nobody else's is touched.
 */
export async function removeRun(docker: Docker, owned: Owned): Promise<boolean> {
  const { owner, run, signal } = owned;
  const labels = { [LABELS.owner]: owner, [LABELS.run]: run };
  const [container, networks, announcements] = await Promise.all([
    findContainer(docker, owned),
    docker.networks(labels, { signal }),
    docker.volumes({ ...labels, [LABELS.starts]: "" }, { signal }),
  ]);
  // First: the daemon keeps a volume that another container uses.
  await removeGitContainer(docker, owned);
  const removed = container !== undefined && await docker.remove(container.id, { signal });
  for (const { name } of announcements) await docker.removeVolume(name, { signal });
  for (const { id } of networks) await docker.removeNetwork(id, { signal });
  return removed;
}

/** Removes the container that clones for a run. Answers whether there was one. */
export async function removeGitContainer(docker: Docker, { owner, run, signal }: Owned): Promise<boolean> {
  const found = await docker.inspect(gitContainerName(run), { signal });
  return found !== undefined && isGitContainer(found, owner, run) &&
    await docker.remove(found.id, { signal });
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
    if (!isOurs(container, owner, run) && !isGitContainer(container, owner, run)) continue;
    if (await removeRun(docker, { owner, run, signal })) count++;
  }
  return count;
}
