import { Retryable, StepFailure } from "../base/errors.ts";
import { delay } from "../base/signals.ts";
import { formatSize } from "../base/units.ts";
import { DockerError } from "../docker/docker.ts";
import type { BuildContext, BuildPolicy } from "./policy.ts";
import { freeBytes } from "./free-disk.ts";
import { findContainer } from "./labels.ts";

/** Between two looks, milliseconds; longer where a look takes long, so that looking takes a small part of the time. */
const LOOK_MS = 1000;
const LOOKS_SHARE = 0.05;
/** Of `--min-free`, what running builds may not take either. */
const RESERVE_SHARE = 0.1;

type Watched = Pick<BuildContext, "docker" | "run" | "settings" | "signal"> & {
  readonly policy: Pick<BuildPolicy, "maxDiskBytes">;
};

/**
 * Does a step's work while somebody watches what its container takes of Docker's disk. Past the operator's limit, and before
 * the disk itself is full, the context's signal fires with StepFailure `disk-full`. A build can write faster than that is seen.
 */
export async function withinDisk<T, C extends Watched>(
  context: C,
  work: (context: C) => Promise<T>,
): Promise<T> {
  const { policy: { maxDiskBytes }, settings: { minFreeBytes } } = context;
  if (maxDiskBytes === undefined && minFreeBytes === 0) return await work(context);
  const full = new AbortController();
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, full.signal]);
  const watching = watch(
    { ...context, signal: AbortSignal.any([signal, done.signal]) },
    (failure) => full.abort(failure),
  );
  watching.catch(() => {});
  try {
    return await work({ ...context, signal });
  } catch (thrown) {
    throw full.signal.aborted && !(thrown instanceof StepFailure) ? full.signal.reason : thrown;
  } finally {
    done.abort();
  }
}

async function watch(context: Watched, end: (failure: StepFailure) => void): Promise<void> {
  const daemon = await context.docker.info({ signal: context.signal });
  for (let pauseMs = LOOK_MS;;) {
    await delay(pauseMs, { signal: context.signal });
    const began = performance.now();
    const free = await freeBytes(context.docker, daemon);
    const failure = await whyTooMuch(context, free);
    if (failure !== undefined) return end(new StepFailure(failure, { reason: "disk-full" }));
    pauseMs = Math.max(LOOK_MS, (performance.now() - began) / LOOKS_SHARE);
  }
}

/** Why a build may not go on; undefined where it may. */
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
  // Builds that hardly take anything go on, until even that could be too much: files that are open and deleted do not show.
  if (!isScarce || (taken < reserve && free >= reserve / 2)) return undefined;
  return `Docker has ${formatSize(free)} of disk left, and the build takes ${formatSize(taken)} of it`;
}

/** What a run's container and its workspace take; undefined where there is none, or where the daemon cannot tell now. */
async function takenBytes(
  { docker, run, settings: { owner }, signal }: Watched,
): Promise<number | undefined> {
  try {
    const container = await findContainer(docker, { owner, run, signal });
    return container && await docker.diskBytes(container.id, { signal });
  } catch (error) {
    if (error instanceof DockerError || error instanceof Retryable) return undefined;
    throw error;
  }
}
