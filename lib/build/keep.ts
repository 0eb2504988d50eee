import type { ContainerInfo } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import type { DriverResult } from "../wire/resource.ts";
import { LABELS } from "./labels.ts";
import { endGitContainer } from "./git/git-container.ts";

/**
 * Whether a run's container is kept for inspection after the run. Its label decides: `never`, `failure` or
 * `always`. The operator's settings were checked before the label was written.
 */
export function staysForALook(
  labels: ContainerInfo["labels"],
  { hasFailed }: { hasFailed: boolean },
): boolean {
  const keep = labels[LABELS.keep];
  return keep === "always" || (keep === "failure" && hasFailed);
}

/**
 * Removes the git container, and logs where the run's container is kept, how to enter it and how to remove
 * it.
 */
export async function leaveForALook(
  context: BuildContext,
  { id, name }: ContainerInfo,
): Promise<DriverResult> {
  const { log, settings: { host } } = context;
  await endGitContainer(context);
  const entering = `docker exec -it ${name} sh`;
  await log.line(
    `The container is kept, on host ${host}. Enter it: ${entering}. Remove it: docker rm -fv ${name}`,
  );
  return { success: true, message: `Kept the container: ${entering}`, data: { containerID: id, host } };
}
