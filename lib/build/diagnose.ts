import { delay } from "../base/signals.ts";
import { timeoutSignal } from "../base/timers.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import { capture } from "../driver/exec.ts";
import type { Reason } from "../wire/reasons.ts";

/** How far back in the output a command's reason is looked for. */
const LINES = 50;
/** Where the kernel counts the forks that it refused, for cgroup v2 and v1. Read by the shell itself: it may not fork either. */
const PIDS_EVENTS = `
for file in /sys/fs/cgroup/pids.events /sys/fs/cgroup/pids/pids.events; do
  [ -r "$file" ] && while read -r name count; do echo "$name $count"; done <"$file"
done
true
`;
/** How long the daemon may take for its answers, milliseconds. */
const DIAGNOSIS_MS = 10_000;
/** A kill is looked for from a little before the command began, milliseconds. */
const SLACK_MS = 500;

/** What a shell says of a process that was ended by SIGKILL. */
const KILLED = 137;
/** A busy daemon hears of the end of a process before it hears why the kernel killed it: pauses before it is asked (again). */
const LATE_OOM_MS = [0, 100, 300, 600];

export interface Diagnosis {
  readonly reason: Reason;
  readonly because?: string;
}

/**
 * Why a command failed, as far as the daemon, the kernel and its last lines tell: out of memory, of processes or of disk,
 * or because its container did; else, and where the daemon does not tell in `limitMs`, simply `command-failed`. Throws
 * `Retryable`, `signal.reason`.
 */
export async function diagnose(
  context: Context,
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
  context: Context,
  container: ContainerInfo,
  { exitCode, tookMs, signal }: { exitCode: number; tookMs: number; signal: AbortSignal },
): Promise<Diagnosis> {
  const { docker, log } = context;
  const lines = log.recent(LINES).join("\n");
  // In the daemon's clock, which need not be ours.
  const sinceMs = await docker.now({ signal }) - tookMs - SLACK_MS;
  // A killed process need not be the one whose exit code we see: make and the like report their own.
  const wasKilled = exitCode === KILLED || /\bkilled\b/i.test(lines);
  for (const pauseMs of wasKilled ? LATE_OOM_MS : [0]) {
    await delay(pauseMs, { signal });
    if (await docker.oomEvents(container.id, sinceMs, { signal }) === 0) continue;
    return {
      reason: "out-of-memory",
      because: "the container's memory limit was reached and the kernel killed a process",
    };
  }
  if ((await docker.inspect(container.id, { signal }))?.state !== "running") {
    return { reason: "container-lost", because: "the container was stopped from outside" };
  }
  if (/No space left on device|ENOSPC|Disk quota exceeded/i.test(lines)) {
    return { reason: "disk-full", because: "no space is left on the device" };
  }
  if (/Resource temporarily unavailable|Cannot fork|can't fork|EAGAIN|pthread_create/i.test(lines)) {
    const refused = await refusedForks(context, container);
    if (refused) {
      return { reason: "pids-exhausted", because: "the container's limit of processes was reached" };
    }
  }
  if (exitCode === 127) return { reason: "command-failed", because: "no such command in the image" };
  if (exitCode === 126) return { reason: "command-failed", because: "the file cannot be executed" };
  return { reason: "command-failed" };
}

/** Under the step's own signal: an exec that is cut off ends everything in the container. */
async function refusedForks(context: Context, container: ContainerInfo): Promise<boolean> {
  try {
    const { stdout } = await capture(context, container.id, {
      command: ["/bin/sh", "-c", PIDS_EVENTS],
      user: "0",
    });
    return /^max [1-9]/m.test(stdout);
  } catch (error) {
    // A daemon that refuses to start an exec has answered too.
    if (error instanceof DockerError) return true;
    throw error;
  }
}
