import { messageOf, StepFailure } from "../../base/errors.ts";
import { type DaemonInfo, DockerError, type MountSpec } from "../../docker/docker.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { type CacheMode, describePrepared, prepareCaches, type Prepared } from "./prepare.ts";
import { cacheTitle } from "./title.ts";
import { CACHE_LABELS } from "./volumes.ts";
import { RefusedLayers } from "./refused-layers.ts";
import { removeSaved } from "./remove-layers.ts";

const REFUSED = new RefusedLayers();

/**
 * Creates and starts a container with the caches of its plan. If Docker cannot start it, tries again with
 * copies of the caches, and at last with empty ones: no cache fails a build. A cache with which the container
 * did not start in either way is dropped. `create` calls `prepare` for the caches that it mounts, again if it
 * has removed what an earlier attempt of the run left.
 */
export async function withCaches(
  context: BuildContext,
  plan: Plan,
  given: { daemon: DaemonInfo; labels: Readonly<Record<string, string>> },
  { create, start }: {
    create: (prepare: () => Promise<MountedCaches>) => Promise<string>;
    start: (container: string) => Promise<void>;
  },
): Promise<{ id: string; caches: readonly Prepared[] }> {
  const { docker } = context;
  const tried: { caches: readonly Prepared[]; why: string }[] = [];
  const modes: CacheMode[] = REFUSED.mayTry(docker) ? ["layer", "copy", "empty"] : ["copy", "empty"];
  for (const mode of modes) {
    const made: { id?: string; caches: readonly Prepared[] } = { caches: [] };
    try {
      const id = made.id = await create(async () => {
        made.caches = await prepareCaches(context, plan, { mode, labels: given.labels });
        context.faultPoint("caches-made");
        return mounted(made.caches);
      });
      await start(id);
      const isLayered = made.caches.some(({ base, copyFrom }) =>
        base !== undefined && copyFrom === undefined
      );
      if (mode === "layer" && isLayered) REFUSED.worked(docker);
      if (mode === "copy" && tried.length > 0) REFUSED.refused(docker);
      if (mode === "empty") await dropBases(context, tried).catch((error) => cannotDrop(context, error));
      await describeCaches(context, made.caches, { daemon: given.daemon, tried: tried.at(-1)?.caches });
      return { id, caches: made.caches };
    } catch (error) {
      const { id, caches } = made;
      if (caches.every(({ base }) => base === undefined) || !isOfDocker(error)) throw error;
      if (id !== undefined) await context.cleanup((signal) => docker.remove(id, { signal }));
      tried.push({ caches, why: messageOf(error) });
    }
  }
  throw new StepFailure("The container was not started", { reason: "container-failed" });
}

/** What a container with caches is created with, beside what every container has. */
export interface MountedCaches {
  readonly mounts: readonly MountSpec[];
  readonly labels: Readonly<Record<string, string>>;
}

function mounted(caches: readonly Prepared[]): MountedCaches {
  if (caches.length === 0) return { mounts: [], labels: {} };
  const layers = Object.fromEntries(caches.map(({ line, layer }) => [line.path, layer]));
  return {
    mounts: caches.flatMap(({ mounts }) => mounts),
    labels: { [CACHE_LABELS.layers]: JSON.stringify(layers) },
  };
}

/** Tells of the caches with which the container has started, but for those that were given up. */
async function describeCaches(
  { log }: BuildContext,
  caches: readonly Prepared[],
  { daemon, tried = [] }: { daemon: DaemonInfo; tried: readonly Prepared[] | undefined },
): Promise<void> {
  for (const cache of caches) {
    const before = tried.find(({ line }) => line.name === cache.line.name);
    const isGivenUp = cache.base === undefined && before?.base !== undefined;
    const line = isGivenUp ? undefined : describePrepared(cache, daemon);
    if (line !== undefined) await log.line(line);
  }
}

/** Says so: the container has started, and no cache may cost the build. */
async function cannotDrop({ log, signal }: BuildContext, error: unknown): Promise<void> {
  if (signal.aborted || !isOfDocker(error)) throw error;
  await log.line(`The caches cannot be dropped: ${messageOf(error)}`);
}

/** Removes the saved caches with which the container did not start. */
async function dropBases(
  { docker, log, signal }: BuildContext,
  tried: readonly { caches: readonly Prepared[]; why: string }[],
): Promise<void> {
  const { caches = [], why = "" } = tried.at(-1) ?? {};
  for (const { base } of caches) {
    if (base === undefined) continue;
    await removeSaved(docker, base, signal);
    await log.line(`${cacheTitle(base)}: dropped, Docker cannot use it: ${why}`);
  }
}

/** Whether Docker refused, which may be for the sake of a cache. */
function isOfDocker(error: unknown): boolean {
  return error instanceof DockerError ||
    (error instanceof StepFailure && error.cause instanceof DockerError);
}
