import { processLog } from "../base/log.ts";
import type { Driver } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";
import { sweep } from "./sweep.ts";

/**
 * Removes what runs that are not alive any more left on this host. Where no engine answers (beside a Conveyor server, or
 * while ours is away), only what has expired.
 */
export const tendHost: NonNullable<Driver["tend"]> = async (
  { docker, settings: { owner }, isAlive, signal },
) => {
  const found = await docker.list({ [LABELS.owner]: owner, [LABELS.run]: "" }, { signal });
  if (found.length === 0) return;
  const now = await docker.now({ signal });
  const expires = new Map(found.map(({ labels }) => [labels[LABELS.run], Number(labels[LABELS.expires])]));
  const removed = await sweep(docker, {
    owner,
    isAlive: async (run) => await isAlive(run) ?? !((expires.get(run) ?? Infinity) < now),
    signal,
  });
  for (const name of removed) processLog("driver").info("Removed {name}: its run is over", { name });
};
