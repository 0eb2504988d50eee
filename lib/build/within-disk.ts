import { messageOf, Retryable, StepFailure } from "../base/errors.ts";
import { processLog } from "../base/log.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import { type DaemonInfo, DockerError } from "../docker/docker.ts";
import type { BuildContext, BuildPolicy } from "./policy.ts";
import { freeWithoutCaches } from "./cache/make-room.ts";
import { freeBytes } from "../driver/host/free-disk.ts";
import { ownLayers } from "./cache/own-layers.ts";
import { containerName, isGitContainer, isOurs, isService, runLabels } from "./labels.ts";

/**
 * Usual pause between two checks, milliseconds. It grows with slow checks, which take at most LOOKS_SHARE of
 * the time.
 */
const LOOK_MS = 1000;
const LOOKS_SHARE = 0.05;
/** Share of `--min-free` that running builds may not use either. */
const RESERVE_SHARE = 0.1;

type Watched = Pick<BuildContext, "docker" | "run" | "settings" | "signal"> & {
  readonly policy: Pick<BuildPolicy, "maxDiskBytes">;
};

/**
 * Runs a step's work and watches how much of Docker's disk its container takes. Above the operator's limit,
 * and before the disk is full, the context's signal fires with StepFailure `disk-full`. A build can write
 * faster than the checks notice.
 */
export async function withinDisk<T, C extends Watched>(
  context: C,
  work: (context: C) => Promise<T>,
  { everyMs = LOOK_MS }: { everyMs?: number } = {},
): Promise<T> {
  const { policy: { maxDiskBytes }, settings: { minFreeBytes } } = context;
  if (maxDiskBytes === undefined && minFreeBytes === 0) return await work(context);
  const full = new AbortController();
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, full.signal]);
  const watching = watch(
    { ...context, signal: AbortSignal.any([signal, done.signal]) },
    (failure) => full.abort(failure),
    everyMs,
  );
  watching.catch((error) => {
    if (done.signal.aborted || signal.aborted) return;
    processLog("driver").error("The disk that run {run} takes is no longer watched: {why}", {
      run: context.run,
      why: messageOf(error),
    });
  });
  try {
    return await work({ ...context, signal });
  } catch (thrown) {
    throw full.signal.aborted && !(thrown instanceof StepFailure) ? full.signal.reason : thrown;
  } finally {
    done.abort();
  }
}

async function watch(
  context: Watched,
  end: (failure: StepFailure) => void,
  everyMs: number,
): Promise<void> {
  const { docker, run, settings: { minFreeBytes, owner }, signal } = context;
  let daemon: DaemonInfo | undefined;
  let hasSaid = false;
  const sayUnknown = (error: unknown): undefined => {
    if (!isOfDocker(error)) throw error;
    if (!hasSaid) {
      processLog("driver").warn(
        "Cannot ask Docker where its disk is: {why}; until it answers, run {run} is not held to --min-free",
        { run, why: error.message },
      );
    }
    hasSaid = true;
  };
  for (let pauseMs = everyMs;;) {
    await delay(pauseMs, { signal });
    const began = performance.now();
    daemon ??= await docker.info({ signal }).catch(sayUnknown);
    let free = daemon && await freeBytes(docker, daemon);
    if (daemon && free !== undefined && free < minFreeBytes * RESERVE_SHARE) {
      free = await freeWithoutCaches(docker, daemon, { minFreeBytes, owner, signal });
    }
    const failure = await whyTooMuch(context, free);
    if (failure !== undefined) return end(new StepFailure(failure, { reason: "disk-full" }));
    pauseMs = Math.max(everyMs, (performance.now() - began) / LOOKS_SHARE);
  }
}

/** Returns why a build may not go on, or undefined if it may. */
async function whyTooMuch(context: Watched, free: number | undefined): Promise<string | undefined> {
  const { policy: { maxDiskBytes }, settings: { minFreeBytes } } = context;
  const reserve = minFreeBytes * RESERVE_SHARE;
  const isScarce = free !== undefined && free < reserve;
  if (!isScarce && maxDiskBytes === undefined) return undefined;
  const taken = await takenBytes(context) ?? 0;
  if (maxDiskBytes !== undefined && taken > maxDiskBytes) {
    return `The build takes ${formatSize(taken)} of disk, more than the ${
      formatSize(maxDiskBytes)
    } that are allowed here`;
  }
  // A build that takes little goes on until half of the reserve is used: deleted files that are open do not
  // count as its own.
  if (!isScarce || (taken < reserve && free >= reserve / 2)) return undefined;
  return `Docker has ${formatSize(free)} of disk left, and the build takes ${formatSize(taken)} of it`;
}

/**
 * Returns how much a run's containers, its services among them, and its workspace take, bytes. Undefined if
 * there are none or the daemon cannot tell.
 */
async function takenBytes(
  { docker, run, settings: { owner }, signal }: Watched,
): Promise<number | undefined> {
  try {
    // Listed, not inspected: the daemon lets nobody inspect a container while it hands out a file of it.
    const listed = await docker.list(runLabels(owner, run), { signal });
    const own = listed.filter((one) => isOurs(one, owner, run));
    const container = own.find(({ name }) => name === containerName(run)) ?? own[0];
    if (!container) return undefined;
    const others = listed.filter((one) => isService(one, owner, run) || isGitContainer(one, owner, run));
    const containers = [container, ...others].map(({ id }) => id);
    return await docker.diskBytes(containers, { signal, instead: ownLayers(container) });
  } catch (error) {
    if (isOfDocker(error)) return undefined;
    throw error;
  }
}

const isOfDocker = (error: unknown): error is DockerError | Retryable =>
  error instanceof DockerError || error instanceof Retryable;
