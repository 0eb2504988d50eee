import type { Docker, ListedContainer, ListedNetwork } from "../docker/docker.ts";
import { staysForALook } from "./keep.ts";
import {
  containerName,
  isAnnouncement,
  isGitContainer,
  isOurs,
  isService,
  isWorkspace,
  LABELS,
} from "./labels.ts";
import { removeUnneeded } from "./cache/remove-layers.ts";
import { type CacheVolumes, readCacheVolumes } from "./cache/volumes.ts";
import { type OnFailure, removals } from "./removals.ts";
import { removeGitContainer, removeRun, removeRunNetwork, removeUnusedVolume } from "./remove.ts";

export interface SweepOptions {
  readonly owner: string;
  /**
   * Whether the run has not ended and is still worked on. `isExpired`: according to its container's label, it
   * is not.
   */
  readonly isAlive: (run: string, isExpired: boolean, labels: Labels) => boolean | Promise<boolean>;
  readonly signal: AbortSignal;
  /** Called with the owner's cache volumes as they were found. */
  readonly onCaches?: (found: CacheVolumes) => void;
  /** Called before something is removed. */
  readonly onRemoving?: ((name: string) => void) | undefined;
  /** Called with each container that is removed, at once. */
  readonly onContainer?: (name: string) => void;
  /** Called with each network that is removed and that no container of its run used. */
  readonly onNetwork?: (name: string) => void;
  /** Called with each volume that is removed and that had lost its container. */
  readonly onVolume?: (name: string) => void;
  /** Called with each container of a run that is not alive which is kept for inspection. */
  readonly onKept?: ((container: ListedContainer) => void) | undefined;
  /** Called if Docker cannot remove something (default: throws the first error once the rest is removed). */
  readonly onFailure?: OnFailure;
  /** Leaves runs that have an object younger than this, milliseconds (default 0). */
  readonly olderThanMs?: number;
  /** Only name what would be removed (default false). */
  readonly dryRun?: boolean;
}

/**
 * Removes what dead runs of this owner left on the daemon: containers with their volumes, then volumes and
 * networks of runs that lost their container. Containers kept for inspection stay until they expire. Returns
 * the names of the removed containers. Without anything to remove this takes four requests, regardless of the
 * number of runs.
 */
export async function sweep(
  docker: Docker,
  options: SweepOptions,
): Promise<string[]> {
  const {
    owner,
    onCaches,
    onNetwork = () => {},
    onVolume = () => {},
    olderThanMs = 0,
    signal,
    dryRun = false,
  } = options;
  const isGone = (name: string): void => {
    removed.push(name);
    options.onContainer?.(name);
  };
  const ours = { [LABELS.owner]: owner, [LABELS.run]: "" };
  const removed: string[] = [];
  const removing = removals(options.onFailure, options.onRemoving);
  const kept = new Set<string>();
  const now = await docker.now({ signal });
  const isExpired = (labels: Labels) => Number(labels[LABELS.expires] ?? Infinity) < now;
  // Treat the run as failed: its outcome is unknown here.
  const isKept = (labels: Labels) => staysForALook(labels, { hasFailed: true }) && !isExpired(labels);
  const [found, networks] = await Promise.all([
    docker.list(ours, { signal }),
    docker.networks(ours, { signal }),
  ]);
  // Not asked for an age, it does not matter that one is not known.
  const young = olderThanMs > 0 ? youngRuns([...found, ...networks], now - olderThanMs) : new Set<string>();
  const isAlive: SweepOptions["isAlive"] = (run, ...facts) =>
    young.has(run) || options.isAlive(run, ...facts);
  for (const container of found) {
    const { name, labels, labels: { [LABELS.run]: run = "" } } = container;
    if (isGitContainer(container, owner, run) && !await isAlive(run, isExpired(labels), labels)) {
      const isRemoved = dryRun ||
        await removing.attempt(() => removeGitContainer(docker, { owner, run, signal }), name);
      if (isRemoved) isGone(name);
    }
    if (!isOurs(container, owner, run)) continue;
    if (await isAlive(run, isExpired(labels), labels) || isKept(labels)) {
      kept.add(run);
      const isOver = async () => !await options.isAlive(run, isExpired(labels), labels);
      if (options.onKept && isKept(labels) && await isOver()) options.onKept(container);
    } else if (dryRun || await removing.attempt(() => removeRun(docker, { owner, run, signal }), name)) {
      isGone(name);
    }
  }
  const isLeft = async (labels: Labels) => {
    const { [LABELS.run]: run = "" } = labels;
    return !kept.has(run) && !await isAlive(run, isExpired(labels), labels);
  };
  const withContainer = new Set(found.map(({ labels }) => labels[LABELS.run]));
  const isAlone = (name: string, run: string) => name === containerName(run) && !withContainer.has(run);
  const volumes = await docker.volumes({ [LABELS.owner]: owner }, { signal });
  const used = new Set(found.flatMap((container) => Object.values(container.volumes)));
  for (const volume of volumes.filter((one) => isWorkspace(one, owner) && !used.has(one.name))) {
    const { name, labels, createdAt } = volume;
    if (olderThanMs > 0 && createdAt > now - olderThanMs || !await isLeft(labels)) continue;
    const isRemoved = dryRun ||
      await removing.attempt(() => removeUnusedVolume(docker, name, signal), name);
    if (isRemoved) onVolume(name);
  }
  if (dryRun) {
    for (const { name, labels } of networks) {
      if (isAlone(name, labels[LABELS.run] ?? "") && await isLeft(labels)) onNetwork(name);
    }
    return removed;
  }
  for (const { name, labels } of volumes.filter(isAnnouncement)) {
    if (await isLeft(labels)) await removing.attempt(() => docker.removeVolume(name, { signal }), name);
  }
  const caches = readCacheVolumes(owner, volumes);
  onCaches?.(caches);
  await removing.attempt(
    () => removeDeadLayers(docker, caches, { owner, isLeft, signal }),
    "layers of caches",
  );
  for (const container of found.filter(({ labels }) => labels[LABELS.kind] === "service")) {
    const { id, name, labels, labels: { [LABELS.run]: run = "" } } = container;
    if (!isService(container, owner, run) || !await isLeft(labels)) continue;
    await removing.attempt(() => docker.remove(id, { signal }), name);
  }
  for (const network of networks) {
    const { name, labels, labels: { [LABELS.run]: run = "" } } = network;
    if (!await isLeft(labels)) continue;
    const isRemoved = await removing.attempt(() => removeRunNetwork(docker, network, run, signal), name);
    if (isRemoved && isAlone(name, run)) onNetwork(name);
  }
  removing.check();
  return removed;
}

/** Removes the layers of caches that ended runs have left, and those that no saved cache needs any more. */
async function removeDeadLayers(
  docker: Docker,
  found: CacheVolumes,
  { owner, isLeft, signal }: {
    owner: string;
    isLeft: (labels: Labels) => Promise<boolean>;
    signal: AbortSignal;
  },
): Promise<void> {
  const saved = new Set(found.saved.flatMap(({ layers }) => layers));
  const asked = new Map<string, Labels>();
  for (const { run, volume: { name, labels } } of [...found.layers.values(), ...found.work]) {
    if (!saved.has(name)) asked.set(run, { ...labels, [LABELS.run]: run });
  }
  if (asked.size === 0) return;
  const dead = new Set<string>();
  for (const [run, labels] of asked) if (await isLeft(labels)) dead.add(run);
  if (dead.size === 0) return;
  await removeUnneeded(docker, { owner, signal, isUnfinished: ({ run }) => !dead.has(run) });
}

/** Returns the runs that have a container or network created after `since`, by the daemon's clock. */
function youngRuns(found: readonly (ListedContainer | ListedNetwork)[], since: number): Set<string> {
  const createdAt = (one: ListedContainer | ListedNetwork) =>
    "createdAt" in one ? one.createdAt : one.createdSecond * 1000;
  const young = found.filter((one) => createdAt(one) > since);
  return new Set(young.map(({ labels }) => labels[LABELS.run] ?? ""));
}

type Labels = Readonly<Record<string, string>>;
