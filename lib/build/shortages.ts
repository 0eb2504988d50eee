import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { ownEnvironment } from "../driver/work/own-environment.ts";
import { WORKSPACE } from "./plan.ts";

/** What a container has run out of, as its kernel reports. */
export interface Shortages {
  /** Processes killed since the container's start because its memory was used up. */
  readonly oomKills: number;
  /** Processes and threads refused since the container's start because of its limit. */
  readonly refusedForks: number;
  /** A folder of a full file system. */
  readonly fullDisk: string | undefined;
}

/**
 * A file system with fewer free KiB or files counts as full: a program that found no room has often removed
 * its partial file.
 */
const FULL_KIB = 1024;
const FULL_FILES = 8;
const COUNTED = "conveyor: counted";

/**
 * The shell itself reads the counters of cgroup v2 and v1. The rest starts processes: the script ends there
 * if the process limit is reached, and an image may lack the programs.
 */
const SCRIPT = `
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  [ -r "$file" ] && while read -r name count; do echo "memory $name $count"; done <"$file"
done
for file in /sys/fs/cgroup/pids.events /sys/fs/cgroup/pids/pids.events; do
  [ -r "$file" ] && while read -r name count; do echo "pids $name $count"; done <"$file"
done
echo "${COUNTED}"
df -Pk ${WORKSPACE} / /tmp /dev/shm | while read -r _ _ _ left _ folder; do echo "kib $left $folder"; done
df -Pi ${WORKSPACE} / /tmp /dev/shm | while read -r _ all _ left _ folder; do
  [ "$all" = 0 ] || echo "files $left $folder"
done
`;

/**
 * Asks a container's kernel what has run out. The log is not evidence: a build may print anything. Throws
 * DockerError if no process can be started in the container, and `signal.reason`.
 */
export async function readShortages(
  { docker }: Pick<BuildContext, "docker">,
  container: ContainerInfo,
  signal: AbortSignal,
): Promise<Shortages> {
  const process = await docker.exec(container.id, {
    command: ["/bin/sh", "-c", SCRIPT],
    env: ownEnvironment(container),
    user: "0",
    workdir: "/",
  }, { signal });
  const stop = () => process.detach();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const said = await textOf(process.output);
    signal.throwIfAborted();
    if (!said.includes(COUNTED)) throw new DockerError("The script was not started", { status: 0 });
    return shortagesIn(said);
  } finally {
    signal.removeEventListener("abort", stop);
    process.detach();
  }
}

function shortagesIn(said: string): Shortages {
  const count = (what: string) => Number(new RegExp(`^${what} (\\d+)$`, "m").exec(said)?.[1] ?? 0);
  const full = (what: string, least: number) =>
    said.matchAll(new RegExp(`^${what} (-?\\d+) (/.*)$`, "gm")).find(([, left]) => Number(left) < least)?.[2];
  return {
    oomKills: count("memory oom_kill"),
    refusedForks: count("pids max"),
    fullDisk: full("kib", FULL_KIB) ?? full("files", FULL_FILES),
  };
}

const MOST_BYTES = 64 * 1024;

async function textOf(output: AsyncIterable<{ stream: string; data: Uint8Array }>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const { stream, data } of output) {
    if (stream !== "stdout" || size > MOST_BYTES) continue;
    size += data.length;
    pieces.push(new Uint8Array(data));
  }
  return Buffer.concat(pieces).toString("utf8");
}
