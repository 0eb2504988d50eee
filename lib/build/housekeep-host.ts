import { processLog } from "../base/log.ts";
import type { Driver } from "../driver/driver.ts";
import { factsOf } from "./labels.ts";
import { keepCachesSmall } from "./cache/keep-small.ts";
import type { Saved } from "./cache/volumes.ts";
import type { BuildPolicy } from "./policy.ts";
import { warnOfFailure } from "./removals.ts";
import { sweep } from "./sweep.ts";

/**
 * Removes what dead runs left on this host. Without an answer from an engine (next to a Conveyor server, or
 * while our engine is down), removes only what has expired. Warns of what Docker cannot remove.
 */
export async function housekeepHost(
  { docker, settings: { owner }, policy, askRun, signal }: Host,
): Promise<void> {
  let saved: readonly Saved[] = [];
  const removed = await sweep(docker, {
    owner,
    onFailure: warnOfFailure,
    onVolume: (name) => processLog("driver").info("Removed volume {name}: its run is over", { name }),
    onCaches: (found) => saved = found.saved,
    isAlive: async (run, isExpired, labels) => {
      const state = await askRun(run, factsOf(labels), { signal });
      return state === undefined || state === "idle" ? !isExpired : state !== "over";
    },
    signal,
  });
  for (const name of removed) processLog("driver").info("Removed {name}: its run is over", { name });
  await keepCachesSmall(docker, policy.caches, { owner, saved, signal });
}

type Host = Parameters<NonNullable<Driver<BuildPolicy>["housekeep"]>>[0];
