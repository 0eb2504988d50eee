import { delay } from "../base/signals.ts";
import { timeoutSignal } from "../base/timers.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import type { Reason } from "../wire/reasons.ts";
import { isKept } from "./keep-running.ts";
import { readShortages, type Shortages } from "./shortages.ts";

/** Time limit for a diagnosis, milliseconds. */
const DIAGNOSIS_MS = 10_000;
/** Margin before the command's start from which events are read, milliseconds. */
const SLACK_MS = 50;
/**
 * Pauses before each query for an OOM event, milliseconds. A busy daemon learns of the end of a process
 * before it learns of the OOM kill.
 */
const LATE_OOM_MS = [0, 100, 300, 600];

/**
 * Number of attempts to start the inspecting process, and the pause after the first attempt, milliseconds.
 */
const MOST_LOOKS = 5;
const LOOK_AGAIN_MS = 50;

export interface Diagnosis {
  readonly reason: Reason;
  readonly because?: string;
}

/**
 * Returns why a command failed, as reported by the kernel and the daemon. Its output does not count. The
 * reason is out of memory, out of processes, a full disk or an ended container; otherwise, and after
 * `limitMs`, it is `command-failed`. Throws `Retryable` and `signal.reason`.
 */
export async function diagnose(
  context: BuildContext,
  container: ContainerInfo,
  { exitCode, tookMs, limitMs = DIAGNOSIS_MS }: { exitCode: number; tookMs: number; limitMs?: number },
): Promise<Diagnosis> {
  const limit = timeoutSignal(limitMs);
  const signal = AbortSignal.any([context.signal, limit]);
  try {
    return await lookForReason(context, container, { exitCode, tookMs, signal });
  } catch (error) {
    if (error !== limit.reason) throw error;
    return { reason: "command-failed" };
  }
}

async function lookForReason(
  context: BuildContext,
  container: ContainerInfo,
  { exitCode, tookMs, signal }: { exitCode: number; tookMs: number; signal: AbortSignal },
): Promise<Diagnosis> {
  const { docker } = context;
  const asked = performance.now();
  const now = await docker.now({ signal });
  // On the daemon's clock, which may differ from ours. A busy daemon takes its time to tell it.
  const sinceMs = now - (performance.now() - asked) - tookMs - SLACK_MS;
  if (!await isKept(docker, container, signal)) return await whyGone(context, container, sinceMs, signal);
  const shortages = await shortagesOf(context, container, signal);
  if (shortages.oomKills > 0 && await ranOutOfMemory(context, container, sinceMs, signal)) {
    return OUT_OF_MEMORY;
  }
  if (shortages.refusedForks > 0) {
    return { reason: "pids-exhausted", because: "the container's limit of processes was reached" };
  }
  if (shortages.fullDisk !== undefined) {
    return { reason: "disk-full", because: `no space is left on the disk of ${shortages.fullDisk}` };
  }
  if (exitCode === 127) return { reason: "command-failed", because: "no such command in the image" };
  if (exitCode === 126) {
    return { reason: "command-failed", because: "the image has no such program, or it cannot be executed" };
  }
  return { reason: "command-failed" };
}

const OUT_OF_MEMORY: Required<Diagnosis> = {
  reason: "out-of-memory",
  because: "the container's memory limit was reached and the kernel killed a process",
};

/**
 * Whether the kernel killed a process since `sinceMs`. The kernel's own counter includes earlier commands.
 */
async function ranOutOfMemory(
  { docker }: BuildContext,
  { id }: ContainerInfo,
  sinceMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (const pauseMs of LATE_OOM_MS) {
    await delay(pauseMs, { signal });
    if ((await docker.events(id, sinceMs, ["oom"], { signal })).length > 0) return true;
  }
  return false;
}

/**
 * Returns why a container has ended, from the daemon's events since `sinceMs` (daemon's clock). A stop from
 * outside goes through the daemon; a build that kills all its processes does not.
 */
export async function whyGone(
  { docker }: Pick<BuildContext, "docker">,
  { id }: ContainerInfo,
  sinceMs: number,
  signal: AbortSignal,
): Promise<Required<Diagnosis>> {
  const events = await docker.events(id, sinceMs, ["oom", "kill"], { signal });
  if (events.includes("kill") || !await docker.inspect(id, { signal })) {
    return { reason: "container-lost", because: "the container was stopped from outside" };
  }
  if (events.includes("oom")) return OUT_OF_MEMORY;
  return { reason: "command-failed", because: "every process of the container was killed from inside" };
}

async function shortagesOf(
  context: BuildContext,
  container: ContainerInfo,
  signal: AbortSignal,
): Promise<Shortages> {
  for (let looks = 1; looks <= MOST_LOOKS; looks++) {
    try {
      return await readShortages(context, container, signal);
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
    }
    // The inspecting process could not start.
    const isFull = await context.docker.isAtProcessLimit(container.id, { signal });
    if (isFull) return { oomKills: 0, refusedForks: 1, fullDisk: undefined };
    // The processes that filled the limit have just ended, so the kernel's counter can be read.
    await delay(LOOK_AGAIN_MS * looks, { signal });
  }
  return { oomKills: 0, refusedForks: 0, fullDisk: undefined };
}
