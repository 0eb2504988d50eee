import { delay } from "../../base/signals.ts";
import { type Docker, DockerError } from "../../docker/docker.ts";
import { ownEnvironment } from "./own-environment.ts";

/** How often the daemon is asked whether the processes have gone, milliseconds. */
const LOOK_MS = 100;
/** Docker's init and the idle process. */
export const OWN_PROCESSES = 2;
/** How long the exec that sends TERM may take to start, milliseconds; at most the grace period. */
const TERM_EXEC_MS = 2000;

/**
 * Ends every process in a container except its init and the idle one: sends TERM to all, also to stopped
 * ones, and kills the container if some are left after `graceMs`, since the API cannot kill an exec. Returns
 * which of the two it took.
 *
 * The idle process ignores TERM, and `kill -1` spares process 1 and its sender, so the processes that are
 * left are the build's.
 */
export async function endProcesses(
  docker: Docker,
  container: string,
  { graceMs, signal }: { graceMs: number; signal: AbortSignal },
): Promise<"ended" | "killed"> {
  if (await onlyIdleLeft(docker, container, signal)) return "ended";
  const deadline = performance.now() + graceMs;
  const term = sendTerm(docker, container, signal);
  // A container at its limit of processes may not let the exec start at all: never wait for it longer than
  // this.
  await Promise.race([term, delay(Math.min(graceMs, TERM_EXEC_MS), { signal })]);
  while (performance.now() < deadline) {
    if (await onlyIdleLeft(docker, container, signal)) return "ended";
    await delay(LOOK_MS, { signal });
  }
  if (await onlyIdleLeft(docker, container, signal)) return "ended";
  await docker.kill(container, { signal });
  return "killed";
}

async function sendTerm(docker: Docker, container: string, signal: AbortSignal): Promise<void> {
  try {
    const found = await docker.inspect(container, { signal });
    if (!found) return;
    const exec = await docker.exec(found.id, {
      // A stopped process ends only when it is continued.
      command: ["/bin/sh", "-c", "kill -TERM -1; kill -CONT -1"],
      env: ownEnvironment(found),
      user: "0",
      workdir: "/",
      offline: true,
    }, { signal });
    for await (const _ of exec.output);
  } catch (error) {
    // The container does not run any more, or can hold no more processes: the caller looks at the processes
    // themselves.
    if (!(error instanceof DockerError)) throw error;
  }
}

/** A container that does not run has no process. */
async function onlyIdleLeft(docker: Docker, container: string, signal: AbortSignal): Promise<boolean> {
  return (await docker.processes(container, { signal })).length <= OWN_PROCESSES;
}
