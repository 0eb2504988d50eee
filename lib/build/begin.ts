import { StepFailure } from "../base/errors.ts";
import type { ContainerInfo } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { endProcesses } from "../driver/work/end-processes.ts";
import { containerName } from "./labels.ts";

/**
 * Marks a build as begun by renaming its container. The rename succeeds once only, and a build cannot change
 * the name. If an earlier attempt has begun the build, ends the processes that it left and throws StepFailure
 * `driver-lost`.
 */
export async function beginOnce(context: BuildContext, { id, name }: ContainerInfo): Promise<void> {
  const { docker, run, signal } = context;
  const begun = containerName(run);
  if (name !== begun) {
    if (await docker.rename(id, begun, { signal })) return;
    const found = await docker.inspect(id, { signal });
    if (!found) throw new StepFailure("The run's container is not here", { reason: "container-lost" });
    if (found.name !== begun) {
      throw new StepFailure(`Cannot begin the build: Another container has the name "${begun}"`, {
        reason: "container-failed",
      });
    }
  }
  await context.log.line(
    "An earlier attempt began this build and was lost; what it printed after the line above is gone",
  );
  const graceMs = context.settings.graceMs;
  const ended = await context.cleanup((signal) => endProcesses(docker, id, { graceMs, signal }));
  throw new StepFailure(
    `The driver was lost in the middle of the build, and commands are never run twice (what still ran was ${ended})`,
    { reason: "driver-lost" },
  );
}
