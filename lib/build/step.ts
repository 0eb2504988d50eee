import { Retryable, StepFailure } from "../base/errors.ts";
import { StopError } from "../driver/driver.ts";
import type { BuildContext } from "./policy.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import { z } from "zod";
import type { DriverResult } from "../wire/resource.ts";
import { whyGone } from "./diagnose.ts";
import { endGitContainer } from "./git/git-container.ts";
import { isKept } from "./keep-running.ts";
import { staysForALook } from "./keep.ts";
import { leaveForALook } from "./leave-for-a-look.ts";
import { containerName, findContainer } from "./labels.ts";
import { withinDisk } from "./within-disk.ts";
import { withinOwnTimeout } from "./own-timeout.ts";
import { type Plan, planStep } from "./plan.ts";
import { removeRun } from "./remove.ts";

/** Stop reasons after which another instance continues the step. */
const LEAVES = new Set(["shutdown", "driver-lost"]);

/**
 * `data` of git-cloner. `ref` is the full name of a branch or tag, `HEAD` if that is not a branch, or empty
 * for a commit.
 */
export const Checkout = z.object({ commit: z.string(), ref: z.string() });
export type Checkout = z.infer<typeof Checkout>;

/**
 * Wraps each of the three working steps of a build. `delete` events do nothing. A resource without a pipeline
 * is refused, because all drivers would run at once. The spec is checked before any work. Without an engine,
 * the step itself enforces the timeout and cleans up after a failure.
 */
export function buildStep(
  work: (context: BuildContext, plan: Plan) => Promise<DriverResult>,
): (context: BuildContext) => Promise<DriverResult> {
  return async (context) => {
    if (context.event === "delete") {
      return { success: true, message: "Nothing to do: the resource is deleted", data: { skipped: true } };
    }
    refuseWithoutPipeline(context);
    const began = performance.now();
    try {
      const plan = planUnrefused(context);
      const result = await withinOwnTimeout(
        context,
        plan.spec.timeout,
        (limited) => withinDisk(limited, (watched) => work(watched, plan)),
      );
      if (!result.success) await clearAlone(context);
      return result;
    } catch (thrown) {
      const error = await explained(thrown, context, began);
      if (!comesAgain(error, context)) await clearAlone(context);
      throw error;
    }
  };
}

/** What decides whether a step can run at all. */
type Asked = Pick<BuildContext, "claimed" | "resource" | "settings" | "policy">;

/** Returns the plan of a step. Throws StepFailure `no-pipeline` or `invalid-spec`. */
export function planUnrefused(asked: Asked): Plan {
  refuseWithoutPipeline(asked);
  const plan = planStep(asked.resource.spec, { ...asked.settings, ...asked.policy });
  refuseBesideConveyor(asked, plan);
  return plan;
}

/**
 * Turns a DockerError from a container that has ended into a StepFailure with the reason of that end. Returns
 * any other error unchanged. `began`: when the step began, in `performance.now()`.
 */
async function explained(thrown: unknown, context: BuildContext, began: number): Promise<unknown> {
  const { docker, run, settings: { owner }, signal } = context;
  if (!(thrown instanceof DockerError) || signal.aborted) return thrown;
  try {
    const container = await findContainer(docker, { owner, run, signal });
    if (!container) return gone({ reason: "container-lost", because: "the container was removed" }, thrown);
    if (container.state === "created" || await isKept(docker, container, signal)) return thrown;
    const now = await docker.now({ signal });
    // Measured after the answer: what came before it counts too.
    const sinceMs = now - (performance.now() - began);
    return gone(await whyGone(context, container, sinceMs, signal), thrown);
  } catch {
    return thrown;
  }
}

function gone({ reason, because }: { reason: string; because: string }, cause: DockerError): StepFailure {
  return new StepFailure(`The step was cut off, since ${because}`, { reason, cause });
}

/**
 * A Conveyor server sends a resource without a pipeline to all drivers at once. Throws StepFailure
 * `no-pipeline`.
 */
export function refuseWithoutPipeline({ claimed, resource }: Pick<Asked, "claimed" | "resource">): void {
  if (claimed || resource.pipeline) return;
  throw new StepFailure(
    `The resource "${resource.name}" has no pipeline, so all drivers are called at once: create it with one`,
    { reason: "no-pipeline" },
  );
}

/** Refuses spec fields that only our engine supports. Throws StepFailure `invalid-spec`. */
function refuseBesideConveyor({ claimed }: Pick<Asked, "claimed">, { spec }: Plan): void {
  if (claimed) return;
  const refusals = [
    spec.secrets.length > 0 &&
    `spec.secrets: a Conveyor server has no secrets, so ${
      spec.secrets.map((name) => `"${name}"`).join(", ")
    } would not be set: expected none; the drivers' operator can allow variables of the drivers with --allow-env`,
    spec.restart > 0 &&
    `spec.restart: a Conveyor server starts no run again: expected 0, got ${spec.restart}`,
  ].filter((text) => text !== false);
  if (refusals.length > 0) throw new StepFailure(refusals.join("\n"), { reason: "invalid-spec" });
}

/** Returns what git-cloner checked out. Both fields are empty if its result does not say. */
export function checkoutOf({ results }: BuildContext): Checkout {
  const { data } = results["git-cloner"] ?? {};
  const parsed = Checkout.safeParse(data);
  return parsed.success ? parsed.data : { commit: "", ref: "" };
}

/**
 * Returns the container that container-start created for this run. Resumes a container that an interrupted
 * clone left paused. Throws StepFailure `container-lost` if the container is gone, has ended or is not ours,
 * and `driver-lost` if it has ended after a build had begun in it: the lost attempt may have killed it.
 */
export async function requireContainer(context: BuildContext): Promise<ContainerInfo> {
  const { docker, run, settings: { owner }, signal } = context;
  let container = await findContainer(docker, { owner, run, signal });
  if (container?.state === "paused") {
    await endGitContainer(context);
    container = await findContainer(docker, { owner, run, signal });
  }
  if (!container) {
    throw new StepFailure("The run's container is not here", { reason: "container-lost" });
  }
  if (container.state !== "running") {
    const isBegun = container.name === containerName(run);
    const why = `The run's container does not run: it is ${container.state}`;
    throw isBegun
      ? new StepFailure(
        `The driver was lost in the middle of the build, and commands are never run twice. ${why}`,
        {
          reason: "driver-lost",
        },
      )
      : new StepFailure(why, { reason: "container-lost" });
  }
  return container;
}

/**
 * Whether the step is tried again and still needs its container: the error is retryable, or the driver is
 * shutting down or was overtaken.
 */
function comesAgain(error: unknown, { signal }: BuildContext): boolean {
  if (error instanceof StepFailure) return false;
  const { reason } = signal;
  return error instanceof Retryable || (reason instanceof StopError && LEAVES.has(reason.reason));
}

async function clearAlone(context: BuildContext): Promise<void> {
  if (context.claimed || !await context.isOurs()) return;
  const { docker, run, settings: { owner } } = context;
  await context.cleanup(async (signal) => {
    const container = await findContainer(docker, { owner, run, signal });
    if (container && staysForALook(container.labels, { hasFailed: true })) {
      await leaveForALook(context, container);
    } else await removeRun(docker, { owner, run, signal });
  });
}
