import { processLog } from "../../base/log.ts";
import { formatSize } from "../../base/units.ts";
import type { Docker } from "../../docker/docker.ts";
import type { CacheLimits } from "../policy.ts";
import { warnOfFailure } from "../removals.ts";
import { describeCache, evictCaches } from "./evict.ts";
import type { Saved } from "./volumes.ts";

/** The saved caches at the last check, by daemon: sizes are asked for only if they have changed since. */
const CHECKED = new WeakMap<Docker, string>();

/**
 * Removes the owner's caches that are too many or too old. Says what it removes and what it cannot remove in
 * the process's own log. `saved`: the caches that there are.
 */
export async function keepCachesSmall(
  docker: Docker,
  { maxBytes, maxAgeMs }: CacheLimits,
  { owner, saved, signal }: { owner: string; saved: readonly Saved[]; signal: AbortSignal },
): Promise<void> {
  if (saved.length === 0) return;
  const state = saved.map(({ volume }) => volume.name).sort().join();
  const limits = { maxAgeMs, maxBytes: CHECKED.get(docker) === state ? undefined : maxBytes };
  let hasFailed = false;
  const { evicted, kept } = await evictCaches(docker, limits, {
    ...{ owner, signal },
    onFailure(error, name) {
      hasFailed = true;
      warnOfFailure(error, name);
    },
  });
  // A daemon that measures for somebody else tells no sizes.
  const isMeasured = limits.maxBytes === undefined || kept.every(({ bytes }) => bytes !== undefined);
  if (evicted.length === 0 && isMeasured && !hasFailed) CHECKED.set(docker, state);
  for (const { saved, bytes } of evicted) {
    processLog("driver").info("Removed cache {cache}: {why}", {
      cache: describeCache(saved),
      why: bytes === undefined ? "it was not used for long" : `of ${formatSize(bytes)}, used longest ago`,
    });
  }
}
