import type { ContainerInfo } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import type { DriverResult } from "../wire/resource.ts";
import { LABELS } from "./labels.ts";
import { endGitContainer } from "./git/git-container.ts";

/**
 * Whether a run's container stays for a look when the run has ended. Its label says so, which was written within what the
 * operator allows: `never`, `failure` or `always`.
 */
export function staysForALook(
  labels: ContainerInfo["labels"],
  { hasFailed }: { hasFailed: boolean },
): boolean {
  const keep = labels[LABELS.keep];
  return keep === "always" || (keep === "failure" && hasFailed);
}

/** Says where the container is left, how to enter it, and how to remove it. */
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
