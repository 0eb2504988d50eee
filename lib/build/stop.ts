import { z } from "zod";
import { counted } from "../base/units.ts";
import { DockerError } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { endProcesses } from "../driver/work/end-processes.ts";
import type { DriverResult } from "../wire/resource.ts";
import { saveCaches } from "./cache/save.ts";
import { staysForALook } from "./keep.ts";
import { leaveForALook } from "./leave-for-a-look.ts";
import { findContainer } from "./labels.ts";
import { removeResource, removeRun } from "./remove.ts";
import { logServices } from "./services/log.ts";
import { refuseWithoutPipeline } from "./step.ts";

/**
 * Ends the processes in the run's container (TERM, grace period, KILL) and removes it with its volume. A
 * container that is already gone is a success. On `delete`, removes all containers of the resource. Leaves a
 * container that is kept for inspection.
 */
export async function stopContainer(context: BuildContext): Promise<DriverResult> {
  const { docker, run, resource, settings: { owner, graceMs }, log, signal } = context;
  if (context.event === "delete") {
    const count = await removeResource(docker, { owner, resource: resource.name, signal });
    return { success: true, message: `Removed ${counted(count, "container")} of "${resource.name}"` };
  }
  refuseWithoutPipeline(context);
  const container = await findContainer(docker, { owner, run, signal });
  if (container && staysForALook(container.labels, { hasFailed: hasFailed(context) })) {
    return await leaveForALook(context, container);
  }
  if (container?.state === "running" && !endedAlone(context)) {
    try {
      await endProcesses(docker, container.id, { graceMs, signal });
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      await log.line(`Cannot end the build's processes, removing the container with them: ${error.message}`);
    }
  }
  if (hasServices(resource.spec) && context.results["container-start"]?.success) await logServices(context);
  const removed = await removeRun(docker, {
    owner,
    run,
    signal,
    saveCaches: (volumes) => saveCaches(context, volumes),
  });
  context.faultPoint("container-removed");
  return { success: true, message: removed ? "Removed the container" : "The container is gone already" };
}

/** Whether a spec, valid or not, asks for services. */
const hasServices = (spec: unknown): boolean =>
  typeof spec === "object" && spec !== null && "services" in spec && Array.isArray(spec.services) &&
  spec.services.length > 0;

/** `data` of a builder whose last command left no processes. */
const Alone = z.object({ commands: z.array(z.unknown()) })
  .transform(({ commands }) => commands.at(-1))
  .pipe(z.object({ alone: z.literal(true) }));
const BEFORE = new Set(["container-start", "git-cloner", "builder"]);

/**
 * Whether there is no process to end: the last command left none, and no other driver has worked in the
 * container since.
 */
function endedAlone({ results }: BuildContext): boolean {
  const { builder, ...before } = results;
  return Object.keys(before).every((step) => BEFORE.has(step)) &&
    builder?.success === true && Alone.safeParse(builder.data).success;
}

function hasFailed({ results }: BuildContext): boolean {
  return Object.values(results).some((result) => !result.success);
}
