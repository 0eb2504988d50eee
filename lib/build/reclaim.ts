import { processLog } from "../base/log.ts";
import type { Docker, ListedContainer } from "../docker/docker.ts";
import type { AskRun } from "../driver/host/run-state.ts";
import { staysForALook } from "./keep.ts";
import { factsOf, isOurs, LABELS } from "./labels.ts";
import { removeRun } from "./remove.ts";

/**
 * Of an owner's containers, those that keep others from starting. Removes what keeps them without need: what a run that is over
 * has left, and what an attempt of container-start has left that nobody works on. Its event is in the queue, perhaps of an
 * instance that waits for just this room, and the next attempt makes a container of its own.
 */
export async function reclaim(
  docker: Docker,
  containers: readonly ListedContainer[],
  { owner, askRun, signal }: { owner: string; askRun: AskRun; signal: AbortSignal },
): Promise<ListedContainer[]> {
  const taking = await Promise.all(containers.map(async (container) => {
    const { id, name, labels, labels: { [LABELS.run]: run = "" } } = container;
    if (!isOurs(container, owner, run)) return [container];
    switch (await askRun(run, factsOf(labels), { signal })) {
      case "over":
        // Whether its run has failed is not known here.
        if (staysForALook(labels, { hasFailed: true })) return [container];
        if (await removeRun(docker, { owner, run, signal })) {
          processLog("driver").info("Removed {name}: its run is over", { name });
        }
        return [];
      case "waits":
        // This one, and not by its name: the next attempt may have begun meanwhile.
        await docker.remove(id, { signal });
        processLog("driver").info("Removed {name}: its driver was lost before it had reported", { name });
        return [];
      case "idle":
        return [];
      default:
        return [container];
    }
  }));
  return taking.flat();
}
