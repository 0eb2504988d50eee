import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { type DaemonInfo, type Docker, DockerError } from "../../docker/docker.ts";
import { freeBytes } from "../../driver/host/free-disk.ts";
import { warnOnce } from "../removals.ts";
import { describeCache, evictUntil } from "./evict.ts";

/**
 * Removes the owner's caches, those used longest ago first, until Docker's disk has `minFreeBytes` left.
 * Returns what it has left then, bytes; undefined if that cannot be told.
 */
export async function freeWithoutCaches(
  docker: Docker,
  daemon: DaemonInfo,
  { minFreeBytes, owner, signal }: { minFreeBytes: number; owner: string; signal: AbortSignal },
): Promise<number | undefined> {
  // A disk that cannot be read is no full one.
  const isEnough = async () => (await freeBytes(docker, daemon) ?? Infinity) >= minFreeBytes;
  try {
    const evicted = await evictUntil(docker, isEnough, { owner, signal, onFailure: warnOnce(docker) });
    for (const one of evicted) {
      processLog("driver").info("Removed cache {cache}: the disk is full", { cache: describeCache(one) });
    }
  } catch (error) {
    if (!(error instanceof DockerError || error instanceof Retryable)) throw error;
    processLog("driver").warn("Cannot remove caches: {why}", { why: error.message });
  }
  return await freeBytes(docker, daemon);
}
