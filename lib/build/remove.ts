import { abortable } from "../base/signals.ts";
import { type Docker, DockerError } from "../docker/docker.ts";
import { removals, warnOfFailure } from "./removals.ts";
import { removeServices } from "./services/remove.ts";
import { removeRunLayers } from "./cache/remove-layers.ts";
import { type CacheVolumes, readCacheVolumes } from "./cache/volumes.ts";
import {
  containerName,
  findContainers,
  gitContainerName,
  isAnnouncement,
  isGitContainer,
  isOurs,
  isService,
  isWorkspace,
  LABELS,
  runLabels,
} from "./labels.ts";

interface Owned {
  readonly owner: string;
  readonly run: string;
  readonly signal: AbortSignal;
}

interface Removing extends Owned {
  /** Called when the containers are gone, before the run's layers of caches are removed. */
  readonly saveCaches?: (volumes: CacheVolumes) => Promise<void>;
}

/** Removals in progress, by daemon and run. */
const UNDER_WAY = new WeakMap<Docker, Map<string, Promise<unknown>>>();

/**
 * Removes the run's container with its unnamed volume, its git container, its own network if it has one, the
 * layers of caches that it has not saved, and an unnamed volume that has lost its container.
 * Does nothing for what is already gone. Returns whether there was a container; of several concurrent calls
 * only the first returns true. Never removes what is not ours, whatever labels it carries. What Docker cannot
 * remove keeps nothing else, except that the container stays, killed, as long as its git container does; then
 * this throws DockerError. Layers and announcements that Docker cannot remove are left to the next sweep:
 * neither fails a build.
 */
export async function removeRun(docker: Docker, owned: Removing): Promise<boolean> {
  const underWay = UNDER_WAY.get(docker) ?? new Map<string, Promise<unknown>>();
  UNDER_WAY.set(docker, underWay);
  const { run, signal } = owned;
  for (let before = underWay.get(run); before; before = underWay.get(run)) await abortable(before, signal);
  const removing = removeAll(docker, owned);
  const settled = removing.catch(() => {}).then(() => underWay.delete(run));
  underWay.set(run, settled);
  return await removing;
}

async function removeAll(docker: Docker, owned: Removing): Promise<boolean> {
  const { owner, run, signal, saveCaches } = owned;
  const labels = runLabels(owner, run);
  const { attempt, check } = removals();
  const forSweep = removals(warnOfFailure);
  const [containers, networks, volumes, hadGitContainer] = await Promise.all([
    findContainers(docker, owned),
    docker.networks(labels, { signal }),
    docker.volumes({ [LABELS.owner]: owner }, { signal }),
    attempt(() => removeGitContainer(docker, owned)),
  ]);
  const runs = volumes.filter(({ labels }) => labels[LABELS.run] === run);
  const announcements = runs.filter(isAnnouncement);
  const used = new Set(containers.flatMap((container) => Object.values(container.volumes)));
  const lost = runs.filter((volume) => isWorkspace(volume, owner) && !used.has(volume.name));
  const caches = readCacheVolumes(owner, volumes);
  let removed = false;
  // The daemon keeps a volume that another container uses, and once its own is gone nothing removes it.
  const isGitLeft = hadGitContainer === undefined;
  for (const { id } of containers) {
    const end = () => isGitLeft ? docker.kill(id, { signal }) : docker.remove(id, { signal });
    removed = await attempt(end) || removed;
  }
  for (const { name } of announcements) {
    await forSweep.attempt(() => docker.removeVolume(name, { signal }), name);
  }
  for (const { name } of lost) {
    await forSweep.attempt(() => removeUnusedVolume(docker, name, signal), name);
  }
  // Services are on a network of the run's own.
  if (networks.length > 0) await attempt(() => removeServices(docker, owned));
  for (const network of networks) await attempt(() => removeRunNetwork(docker, network, run, signal));
  check();
  if ([...caches.layers.values(), ...caches.work].some((volume) => volume.run === run)) {
    await saveCaches?.(caches);
    await forSweep.attempt(() => removeRunLayers(docker, owned), `the caches of run ${run}`);
  }
  return removed;
}

/**
 * Removes a run's own network. Leaves a network that only carries its labels, and one with other containers
 * on it. Returns whether it was removed.
 */
export async function removeRunNetwork(
  docker: Docker,
  { id, name }: { id: string; name: string },
  run: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (name !== containerName(run)) return false;
  try {
    return await docker.removeNetwork(id, { signal });
  } catch (error) {
    const isInUse = error instanceof DockerError && (error.status === 403 || error.status === 409);
    if (!isInUse) throw error;
    return false;
  }
}

/** Removes a volume unless a container uses it. Returns whether it was removed. */
export async function removeUnusedVolume(
  docker: Docker,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await docker.removeVolume(name, { signal });
  } catch (error) {
    if (error instanceof DockerError && error.status === 409) return false;
    throw error;
  }
}

/** Removes the container that clones for a run. Returns whether there was one. */
export async function removeGitContainer(docker: Docker, { owner, run, signal }: Owned): Promise<boolean> {
  const found = await docker.inspect(gitContainerName(run), { signal });
  return found !== undefined && isGitContainer(found, owner, run) &&
    await docker.remove(found.id, { signal });
}

/** Removes the containers of every run of a deleted resource. Returns the number of runs that had one. */
export async function removeResource(
  docker: Docker,
  { owner, resource, signal }: { owner: string; resource: string; signal: AbortSignal },
): Promise<number> {
  const labels = { [LABELS.owner]: owner, [LABELS.resource]: resource };
  const { attempt, check } = removals();
  let count = 0;
  for (const container of await docker.list(labels, { signal })) {
    const run = container.labels[LABELS.run] ?? "";
    const isRuns = [isOurs, isGitContainer, isService].some((is) => is(container, owner, run));
    if (!isRuns) continue;
    if (await attempt(() => removeRun(docker, { owner, run, signal }))) count++;
  }
  check();
  return count;
}
