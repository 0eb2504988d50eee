import { Retryable, StepFailure } from "../base/errors.ts";
import { StopError } from "../driver/driver.ts";
import type { BuildContext } from "./policy.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import { z } from "zod";
import type { DriverResult } from "../wire/resource.ts";
import { whyGone } from "./diagnose.ts";
import { endGitContainer } from "./git/git-container.ts";
import { isKept } from "./keep-running.ts";
import { leaveForALook, staysForALook } from "./keep.ts";
import { findContainer } from "./labels.ts";
import { withinDisk } from "./within-disk.ts";
import { withinOwnTimeout } from "./own-timeout.ts";
import { type Plan, planStep } from "./plan.ts";
import { removeRun } from "./remove.ts";

/** Reasons to stop after which somebody else goes on with the step. */
const LEAVES = new Set(["shutdown", "driver-lost"]);

/** `data` of git-cloner. `ref` is the full name of a branch or tag, `HEAD` where it is no branch, empty for a commit. */
export const Checkout = z.object({ commit: z.string(), ref: z.string() });
export type Checkout = z.infer<typeof Checkout>;

/**
 * What the three working steps of a build have in common: on `delete` there is nothing for them to do; without a
 * pipeline all drivers would fire at once, so they refuse; the spec is checked before anything is done; and where no
 * engine cleans up after a failure or watches the time, they do it themselves.
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
      const error = await explained(thrown, context, performance.now() - began);
      if (!comesAgain(error, context)) await clearAlone(context);
      throw error;
    }
  };
}

/** What says whether a step can be done at all. */
type Asked = Pick<BuildContext, "claimed" | "resource" | "settings" | "policy">;

/** The plan of a step. Throws StepFailure `no-pipeline`, `invalid-spec`. */
export function planUnrefused(asked: Asked): Plan {
  refuseWithoutPipeline(asked);
  const plan = planStep(asked.resource.spec, { ...asked.settings, ...asked.policy });
  refuseBesideConveyor(asked, plan);
  return plan;
}

/** What Docker refuses to do in a container that has ended meanwhile, as a failure for the reason of that end. */
async function explained(thrown: unknown, context: BuildContext, tookMs: number): Promise<unknown> {
  const { docker, run, settings: { owner }, signal } = context;
  if (!(thrown instanceof DockerError) || signal.aborted) return thrown;
  try {
    const container = await findContainer(docker, { owner, run, signal });
    if (!container) return gone({ reason: "container-lost", because: "the container was removed" }, thrown);
    if (container.state === "created" || await isKept(docker, container, signal)) return thrown;
    const sinceMs = await docker.now({ signal }) - tookMs;
    return gone(await whyGone(context, container, sinceMs, signal), thrown);
  } catch {
    return thrown;
  }
}

function gone({ reason, because }: { reason: string; because: string }, cause: DockerError): StepFailure {
  return new StepFailure(`The step was cut off, since ${because}`, { reason, cause });
}

/** From a Conveyor server, a resource without a pipeline reaches all drivers at once. Throws StepFailure `no-pipeline`. */
export function refuseWithoutPipeline({ claimed, resource }: Pick<Asked, "claimed" | "resource">): void {
  if (claimed || resource.pipeline) return;
  throw new StepFailure(
    `The resource "${resource.name}" has no pipeline, so all drivers are called at once: create it with one`,
    { reason: "no-pipeline" },
  );
}

/** Refuses what needs an engine of ours. Throws StepFailure `invalid-spec`. */
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

/** What git-cloner checked out, as far as its result says. */
export function checkoutOf({ results }: BuildContext): Checkout {
  const { data } = results["git-cloner"] ?? {};
  const parsed = Checkout.safeParse(data);
  return parsed.success ? parsed.data : { commit: "", ref: "" };
}

/**
 * The container that container-start made for this run. One that a clone has left paused when it was cut off goes on. Throws
 * StepFailure where it is gone, ended, or not ours.
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
    throw new StepFailure(`The run's container does not run: it is ${container.state}`, {
      reason: "container-lost",
    });
  }
  return container;
}

/** The machinery's failure, a driver that is being stopped or was overtaken: whoever tries the step again needs what is there. */
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
