import { type Docker, DockerError } from "../../docker/docker.ts";
import { LABELS } from "../labels.ts";
import { isMirror } from "../git/mirror.ts";
import type { CacheLimits } from "../policy.ts";
import { type OnFailure, removals } from "../removals.ts";
import { removeSaved, removeUnneeded } from "./remove-layers.ts";
import { CACHE_LABELS, type CacheVolumes, readCacheVolumes, type Saved } from "./volumes.ts";

interface Options {
  readonly owner: string;
  readonly signal: AbortSignal;
  /** Only say what would be removed (default false). */
  readonly dryRun?: boolean;
  /** Called if Docker cannot remove something (default: throws the first error once the rest is removed). */
  readonly onFailure?: OnFailure;
}

/** A saved cache and what it takes. */
export interface CacheUse {
  readonly saved: Saved;
  /** Bytes of the layers that no cache used after it shares; undefined if sizes were not asked for. */
  readonly bytes: number | undefined;
}

/**
 * Removes the owner's caches that were not used for too long, and those used longest ago until the rest fits.
 * Builds that read a removed cache keep its layers until they end.
 */
export async function evictCaches(
  docker: Docker,
  { maxBytes, maxAgeMs }: CacheLimits,
  { owner, signal, dryRun = false, onFailure }: Options,
): Promise<{ evicted: readonly CacheUse[]; kept: readonly CacheUse[] }> {
  const found = await list(docker, { owner, signal });
  if (found.saved.length === 0) return { evicted: [], kept: [] };
  const now = await docker.now({ signal });
  const sizes = maxBytes === undefined ? undefined : await sizesOf(docker, signal);
  const { evicted, kept } = chooseEvicted(found.saved, { maxBytes, maxAgeMs, now, sizes });
  if (dryRun || evicted.length === 0) return { evicted, kept };
  const { attempt, check } = removals(onFailure);
  const removed: CacheUse[] = [];
  for (const one of evicted) {
    await attempt(async () => {
      await removeSaved(docker, one.saved, signal);
      removed.push(one);
    }, describeCache(one.saved));
  }
  await attempt(() => removeLayers(docker, found, { owner, signal }), "layers of caches");
  check();
  return { evicted: removed, kept };
}

/** Splits saved caches, last used first, into those that fit and the others. */
export function chooseEvicted(
  saved: readonly Saved[],
  { maxBytes = Infinity, maxAgeMs = Infinity, now, sizes }: {
    maxBytes?: number | undefined;
    maxAgeMs?: number | undefined;
    now: number;
    sizes: ReadonlyMap<string, number> | undefined;
  },
): { evicted: CacheUse[]; kept: CacheUse[] } {
  const [evicted, kept]: CacheUse[][] = [[], []];
  const counted = new Set<string>();
  let total = 0;
  for (const one of saved.toSorted((a, b) => b.usedAt - a.usedAt)) {
    const own = one.layers.filter((layer) => !counted.has(layer));
    const bytes = own.reduce((sum, layer) => sum + (sizes?.get(layer) ?? 0), 0);
    const use = { saved: one, bytes: sizes && bytes };
    // Without any room, an empty cache is evicted too.
    if (now - one.usedAt > maxAgeMs || total + bytes > maxBytes || maxBytes === 0) {
      evicted?.push(use);
      continue;
    }
    kept?.push(use);
    total += bytes;
    for (const layer of own) counted.add(layer);
  }
  return { evicted: evicted ?? [], kept: kept ?? [] };
}

/**
 * Removes the owner's caches, those used longest ago first, until `isEnough` or none is left. Returns those
 * that it removed.
 */
export async function evictUntil(
  docker: Docker,
  isEnough: () => Promise<boolean>,
  { owner, signal, onFailure }: Omit<Options, "dryRun">,
): Promise<readonly Saved[]> {
  const evicted: Saved[] = [];
  const found = await list(docker, { owner, signal });
  const { attempt, check } = removals(onFailure);
  for (const one of found.saved.toReversed()) {
    if (await isEnough()) return evicted;
    await attempt(async () => {
      await removeSaved(docker, one, signal);
      evicted.push(one);
    }, describeCache(one));
    await attempt(() => removeLayers(docker, found, { owner, signal }), "layers of caches");
  }
  check();
  return evicted;
}

async function list(docker: Docker, { owner, signal }: Omit<Options, "dryRun">): Promise<CacheVolumes> {
  const volumes = await docker.volumes({ [LABELS.owner]: owner, [CACHE_LABELS.role]: "" }, { signal });
  return readCacheVolumes(owner, volumes);
}

/** The sizes of volumes. Undefined if the daemon is measuring them for somebody else. */
async function sizesOf(
  docker: Docker,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    return await docker.volumeBytes({ signal });
  } catch (error) {
    if (error instanceof DockerError) return undefined;
    throw error;
  }
}

/** Removes the layers that no saved cache needs any more. */
async function removeLayers(
  docker: Docker,
  found: CacheVolumes,
  { owner, signal }: Omit<Options, "dryRun">,
): Promise<void> {
  // What was saved was written by runs that have ended. Any other layer may be of one that has not.
  const ended = new Set(
    found.saved.flatMap(({ layers }) => layers.map((name) => found.layers.get(name)?.run)),
  );
  await removeUnneeded(docker, { owner, signal, isUnfinished: ({ run }) => !ended.has(run) });
}

/** Describes a cache for people: `npm of https://…, default, 12 MB`. */
export function describeCache({ name, repository, scope, key }: Saved): string {
  return [
    `${isMirror({ name }) ? "git mirror" : name} of ${repository}`,
    scope.replace(/^ref:/, ""),
    ...key === "" ? [] : [key],
  ].join(", ");
}
