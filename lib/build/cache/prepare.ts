import { processLog } from "../../base/log.ts";
import { counted, formatDuration } from "../../base/units.ts";
import { type DaemonInfo, type Docker, DockerError, type MountSpec } from "../../docker/docker.ts";
import { LABELS } from "../labels.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext, BuildPolicy } from "../policy.ts";
import { isMirror, mirrorOf } from "../git/mirror.ts";
import { cacheTitle } from "./title.ts";
import { chooseSaved, keyPrefix } from "./choose.ts";
import { type CacheScopes, cacheScopes, DEFAULT_SCOPE } from "./scope.ts";
import { removeSaved } from "./remove-layers.ts";
import type { CacheLine } from "./spec.ts";
import {
  CACHE_LABELS,
  type CacheVolumes,
  layerName,
  readCacheVolumes,
  type Saved,
  workName,
} from "./volumes.ts";

/** A cache with more layers is copied into one. */
const MOST_LAYERS = 12;
/** Attempts to choose a cache that is not replaced meanwhile. */
const CHOICES = 3;
/** Labels of the run's container by which a sweep asks about the run. */
const FACTS = [LABELS.owner, LABELS.resource, LABELS.type, LABELS.resourceId, LABELS.event, LABELS.expires];
/** Where a cache that is copied is mounted. */
const COPIED_FROM = "/.conveyor-caches";

/**
 * How a run gets its own version of a cache: as a layer on top of it, which takes no time; as a copy, where
 * the daemon cannot mount layers; or empty.
 */
export type CacheMode = "layer" | "copy" | "empty";

export interface Prepared {
  readonly line: CacheLine;
  readonly base: Saved | undefined;
  /** The folder that is copied into the cache before the build. */
  readonly copyFrom: string | undefined;
  readonly mounts: readonly MountSpec[];
  /** Name of the volume that the run writes. */
  readonly layer: string;
}

/**
 * Makes volumes for the caches of a run. Each run writes a layer of its own, which nobody else sees before it
 * is saved. So runs at once cannot disturb each other, and none waits. Removes what an earlier attempt of the
 * run left.
 */
export async function prepareCaches(
  context: BuildContext,
  plan: Plan,
  { mode, labels }: { mode: CacheMode; labels: Readonly<Record<string, string>> },
): Promise<Prepared[]> {
  const { run, signal } = context;
  const cache = cacheLines(plan, context.policy);
  if (cache.length === 0) return [];
  const found = await listCaches(context, signal);
  const left = [...found.layers.values(), ...found.work].filter((one) => one.run === run);
  const stuck = await removeLeft(context, left.map(({ volume }) => volume.name));
  await dropBroken(context, plan, found);
  return await Promise.all(
    cache.map((line, i) => prepare(context, plan, { line, i, mode, labels, found, stuck })),
  );
}

/** Removes volumes of an earlier attempt. Returns those that something still uses. */
async function removeLeft(
  { docker, signal }: BuildContext,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const stuck = new Set<string>();
  for (const name of names) {
    try {
      await docker.removeVolume(name, { signal });
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      stuck.add(name);
      processLog("driver").warn("Cannot remove {name}: {why}", { name, why: error.message });
    }
  }
  return stuck;
}

/** Drops caches of the run of which a layer is gone, and says so. */
async function dropBroken(context: BuildContext, plan: Plan, { saved, layers }: CacheVolumes): Promise<void> {
  const { docker, log, policy, signal } = context;
  const { project } = cacheScopes(plan, policy, saved);
  const names = new Set(cacheLines(plan, policy).map(({ name }) => name));
  for (const one of saved) {
    if (one.project !== project || !names.has(one.name)) continue;
    if (one.layers.every((layer) => layers.has(layer))) continue;
    try {
      await removeSaved(docker, one, signal);
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      continue;
    }
    await log.line(`${cacheTitle(one)}: dropped, a volume that it needs is gone`);
  }
}

/** The caches of a plan, with the mirror of its repository. */
export function cacheLines(plan: Plan, policy: BuildPolicy): readonly CacheLine[] {
  const mirror = mirrorOf(plan, policy);
  return mirror === undefined ? plan.spec.cache : [...plan.spec.cache, mirror];
}

/** Lists the owner's cache volumes. */
export async function listCaches(
  { docker, settings: { owner } }: Pick<BuildContext, "docker" | "settings">,
  signal: AbortSignal,
): Promise<CacheVolumes> {
  const volumes = await docker.volumes({ [LABELS.owner]: owner, [CACHE_LABELS.role]: "" }, { signal });
  return readCacheVolumes(owner, volumes);
}

/** Removes a layer, and the volume that it needed while it was written. */
async function removeLayer(docker: Docker, name: string, signal: AbortSignal): Promise<void> {
  await Promise.all([docker.removeVolume(name, { signal }), docker.removeVolume(workName(name), { signal })]);
}

interface Preparing {
  readonly line: CacheLine;
  readonly i: number;
  readonly mode: CacheMode;
  readonly labels: Readonly<Record<string, string>>;
  readonly found: CacheVolumes;
  /** Volumes that another container may still write. */
  readonly stuck: ReadonlySet<string>;
}

async function prepare(context: BuildContext, plan: Plan, preparing: Preparing): Promise<Prepared> {
  const { line, i, mode } = preparing;
  const scopes = cacheScopes(plan, context.policy, preparing.found.saved);
  for (let n = 0, found = preparing.found;; n++) {
    const base = mode === "empty" || n === CHOICES ? undefined : chooseSaved(line, scopes, found);
    const isCopied = base !== undefined && (mode === "copy" || base.layers.length >= MOST_LAYERS);
    const layer = await createLayer(context, plan, { ...preparing, scopes, base, isCopied, n });
    if (base === undefined) {
      return { line, base, layer, copyFrom: undefined, mounts: [{ target: line.path, name: layer }] };
    }
    const lower = base.layers.map((name) => found.layers.get(name)?.volume.mountpoint ?? "");
    // A layer keeps what it reads from being removed, from now on: what is here now stays.
    found = await listCaches(context, context.signal);
    if (!found.saved.some(({ volume }) => volume.name === base.volume.name)) {
      await context.cleanup((signal) => removeLayer(context.docker, layer, signal));
      continue;
    }
    if (!isCopied) {
      const upper = found.layers.get(layer)?.volume.mountpoint ?? "";
      const work = found.work.find(({ volume }) => volume.name === workName(layer))?.volume.mountpoint ?? "";
      const overlay = { lower, changes: { upper, work } };
      return { line, base, layer, copyFrom: undefined, mounts: [{ target: line.path, overlay }] };
    }
    const copyFrom = `${COPIED_FROM}/${i}`;
    const [only = "", second] = base.layers;
    const from: MountSpec = second === undefined
      ? { target: copyFrom, isReadOnly: true, name: only }
      : { target: copyFrom, overlay: { lower } };
    return { line, base, layer, copyFrom, mounts: [{ target: line.path, name: layer }, from] };
  }
}

/** Creates the volumes of a layer. Returns its name. */
async function createLayer(
  { docker, run, eventId, attempt, settings: { owner }, cleanup }: BuildContext,
  plan: Plan,
  { line, mode, labels: given, scopes: { project, own }, base, isCopied, n, stuck }: Preparing & {
    scopes: CacheScopes;
    base: Saved | undefined;
    isCopied: boolean;
    n: number;
  },
): Promise<string> {
  const nameAt = (i: number) => layerName(owner, run, eventId, String(attempt), line.name, mode, String(i));
  let i = n;
  // There are CHOICES + 1 values of n. The names of one must not become those of another.
  while (stuck.has(nameAt(i)) || stuck.has(workName(nameAt(i)))) i += CHOICES + 1;
  const name = nameAt(i);
  const reads = base?.layers.join(",") ?? "";
  const labels = {
    ...Object.fromEntries(
      FACTS.flatMap((label) => given[label] === undefined ? [] : [[label, given[label]]]),
    ),
    [CACHE_LABELS.run]: run,
    [CACHE_LABELS.project]: project,
    [CACHE_LABELS.scope]: own,
    [CACHE_LABELS.name]: line.name,
  };
  const layer = {
    ...labels,
    [CACHE_LABELS.role]: "layer",
    [CACHE_LABELS.repository]: plan.spec.repository,
    [CACHE_LABELS.key]: keyPrefix(line),
    [CACHE_LABELS.files]: typeof line.key === "object" ? "yes" : "",
    [CACHE_LABELS.below]: isCopied ? "" : reads,
    [CACHE_LABELS.reads]: reads,
    [CACHE_LABELS.base]: base?.volume.name ?? "",
  };
  const needsWork = base !== undefined && !isCopied;
  // The daemon completes a call that we abort: the volume would appear after the cleanup.
  await cleanup(async (signal) => {
    const work = { ...labels, [CACHE_LABELS.role]: "work" };
    await Promise.all([
      docker.createVolume({ name, labels: layer }, { signal }),
      needsWork ? docker.createVolume({ name: workName(name), labels: work }, { signal }) : undefined,
    ]);
  });
  return name;
}

/** Returns a line of the log about a run's cache; undefined if there is nothing to say. */
export function describePrepared({ line, base }: Prepared, { now }: DaemonInfo): string | undefined {
  const what = cacheTitle(line);
  if (!base) return isMirror(line) ? undefined : `${what} at ${line.path}: empty, nothing is saved yet`;
  const { scope, key, usedAt, layers } = base;
  return [
    `${what} at ${line.path}: of ${
      scope === DEFAULT_SCOPE ? "the default branch" : scope.replace(/^ref:/, "")
    }`,
    ...key === "" ? [] : [`key ${key}`],
    `saved ${formatDuration(Math.max(0, now - usedAt))} ago`,
    counted(layers.length, "layer"),
  ].join(", ");
}
