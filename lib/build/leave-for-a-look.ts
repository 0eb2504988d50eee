import type { ContainerInfo } from "../docker/docker.ts";
import type { DriverResult } from "../wire/resource.ts";
import { entering } from "./enter.ts";
import { endGitContainer } from "./git/git-container.ts";
import type { BuildContext } from "./policy.ts";
import { parseBuildSpec } from "./spec.ts";

/**
 * Removes the git container, and logs where the run's container is kept, how to enter it and how to remove
 * it. A container that had to be killed is started again, with nothing but its first process.
 */
export async function leaveForALook(context: BuildContext, container: ContainerInfo): Promise<DriverResult> {
  const { docker, log, resource, settings: { host }, signal } = context;
  const { id, name } = container;
  await endGitContainer(context);
  if (container.state === "exited") await docker.start(id, { signal });
  const spec = parseBuildSpec(resource.spec);
  const enter = await entering(context, container, spec.data?.secrets ?? []);
  await log.line(
    `The container is kept, on host ${host}. Enter it: ${enter}. Remove it: docker rm -fv ${name}`,
  );
  return { success: true, message: `Kept the container: ${enter}`, data: { containerID: id, host } };
}
