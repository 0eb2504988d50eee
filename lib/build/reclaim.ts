import { processLog } from "../base/log.ts";
import { type Docker, DockerError, type ListedContainer } from "../docker/docker.ts";
import type { AskRun } from "../driver/host/run-state.ts";
import { staysForALook } from "./keep.ts";
import { factsOf, isOurs, LABELS } from "./labels.ts";
import { warnOnce } from "./removals.ts";
import { removeRun } from "./remove.ts";

/**
 * Returns which of an owner's containers take room. Removes containers that take room needlessly: those of
 * ended runs, and those of a lost attempt of container-start. The event of such an attempt is in the queue,
 * perhaps held by an instance that waits for this very room, and the next attempt creates its own container.
 */
export async function reclaim(
  docker: Docker,
  containers: readonly ListedContainer[],
  { owner, askRun, signal }: { owner: string; askRun: AskRun; signal: AbortSignal },
): Promise<ListedContainer[]> {
  const taking = await Promise.all(containers.map(async (container) => {
    const { id, name, labels, labels: { [LABELS.run]: run = "" } } = container;
    if (!isOurs(container, owner, run)) return [container];
    const isGone = (remove: () => Promise<void>) => removes(docker, name, remove);
    switch (await askRun(run, factsOf(labels), { signal })) {
      case "over":
        // Treat the run as failed: its outcome is unknown here.
        if (staysForALook(labels, { hasFailed: true })) return [container];
        return await isGone(async () => {
            if (!await removeRun(docker, { owner, run, signal })) return;
            processLog("driver").info("Removed {name}: its run is over", { name });
          })
          ? []
          : [container];
      case "waits":
        return await isGone(async () => {
            // Remove by id: the next attempt may have created a container of this name meanwhile.
            await docker.remove(id, { signal });
            processLog("driver").info("Removed {name}: its driver was lost before it had reported", { name });
          })
          ? []
          : [container];
      case "idle":
        return [];
      default:
        return [container];
    }
  }));
  return taking.flat();
}

/** Returns false if Docker cannot remove it, which is no fault of the run that needs the room. */
async function removes(docker: Docker, name: string, remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    warnOnce(docker)(error, name);
    return false;
  }
}
