import { StepFailure } from "../base/errors.ts";
import { delay } from "../base/signals.ts";
import {
  type Attached,
  type ContainerInfo,
  type ContainerProcess,
  type DaemonInfo,
  type Docker,
  DockerError,
  type ImageInfo,
} from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { ownPath } from "../driver/work/own-environment.ts";
import { OWN_PROCESSES } from "../driver/work/end-processes.ts";
import { onOneLine } from "../base/text.ts";

/**
 * Folder for our files in the container, outside the workspace. Any user may add files; the sticky bit
 * protects those of other users.
 */
export const OWN_FOLDER = "/.conveyor";
/**
 * The last argument of the keeper process, and of no other process: init's last argument is the whole script.
 */
const FOR_EVER = "2147483647";
const READY = "conveyor: ready";
/** How long a daemon may report a container as running after its processes have ended, milliseconds. */
const LATE_END_MS = 1000;
/** How much output of a container that ended at once its failure quotes. */
const MOST_SAID_BYTES = 2000;

/**
 * Returns the shell script of the keeper process, which keeps the container running under Docker's init. The
 * keeper runs as root and ignores TERM (as does the `sleep` that replaces it), so ending a build's processes
 * does not end the keeper.
 */
export function idleScript({ env }: ImageInfo): string {
  return `trap '' TERM INT HUP
PATH=${quoted(ownPath(env.PATH))}
mkdir -p -m 1777 ${OWN_FOLDER} && command -v sleep >/dev/null || { echo "it needs mkdir and sleep"; exit 127; }
echo "${READY}"
exec sleep ${FOR_EVER} # keeps the container`;
}

/**
 * Starts a container and returns once its keeper process runs. Throws StepFailure `container-failed` if
 * Docker refuses to start it, `container-lost` if somebody removes it, or `image-unusable` with the
 * container's output if the image cannot run the keeper.
 */
export async function keepRunning(
  { docker, signal }: BuildContext,
  id: string,
  name: string,
  { image, daemon }: { image: ImageInfo; daemon: DaemonInfo },
): Promise<void> {
  const attached = await docker.attach(id, { signal });
  const detach = () => attached.detach();
  signal.addEventListener("abort", detach, { once: true });
  try {
    await start(docker, id, { image, daemon, signal });
    const { isReady, said } = await firstWords(attached);
    signal.throwIfAborted();
    if (isReady) return;
    // Not asked before the start, where the daemon would mount the files of every container for it.
    if (!await docker.exists(id, "/bin/sh", { signal })) {
      if (!await docker.inspect(id, { signal })) {
        throw new StepFailure("The container was removed while it started", { reason: "container-lost" });
      }
      throw new StepFailure(`The image "${name}" has no /bin/sh, which every step needs`, {
        reason: "image-unusable",
      });
    }
    const what = said === "" ? "it ended at once without a word" : said;
    throw new StepFailure(
      `The image "${name}" cannot run /bin/sh, which every step needs: ${what}${otherMachine(image, daemon)}`,
      { reason: "image-unusable" },
    );
  } finally {
    signal.removeEventListener("abort", detach);
    attached.detach();
  }
}

async function start(
  docker: Docker,
  id: string,
  { image, daemon, signal }: { image: ImageInfo; daemon: DaemonInfo; signal: AbortSignal },
): Promise<void> {
  try {
    await docker.start(id, { signal });
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new StepFailure(`Cannot start the container: ${error.message}${otherMachine(image, daemon)}`, {
      reason: "container-failed",
      cause: error,
    });
  }
}

/** Reads the output until the container reports that it is ready, or ends. */
async function firstWords({ output }: Attached): Promise<{ isReady: boolean; said: string }> {
  const decoder = new TextDecoder();
  let said = "";
  /** The end of the output. An image may print any amount before the container is ready. */
  let last = "";
  for await (const { data } of output) {
    const text = decoder.decode(data, { stream: true });
    last += text;
    if (last.includes(READY)) return { isReady: true, said };
    last = last.slice(-READY.length);
    said = (said + text).slice(0, MOST_SAID_BYTES);
  }
  return { isReady: false, said: onOneLine(said) };
}

/**
 * A note for a message if the image and the daemon have different architectures. An emulator may or may not
 * help.
 */
function otherMachine(image: ImageInfo, daemon: DaemonInfo): string {
  if (image.architecture === daemon.architecture) return "";
  return ` (the image is for ${image.architecture}, and Docker runs on ${daemon.architecture})`;
}

/**
 * Whether a container's keeper process still runs. A build may run as root and kill it. On a busy machine the
 * killed process is listed for a moment longer, and the daemon reports "running" for even longer.
 */
export async function isKept(
  docker: Docker,
  container: Pick<ContainerInfo, "id">,
  signal: AbortSignal,
): Promise<boolean> {
  return (await keeperOf(docker, container, signal)) !== undefined;
}

/**
 * Whether nothing runs in a container but its keeper process and Docker's init; undefined if the keeper does
 * not run.
 */
export async function isAlone(
  docker: Docker,
  { id }: Pick<ContainerInfo, "id">,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const processes = await processesOf(docker, id, signal);
  return keeperAmong(processes) && processes.length === OWN_PROCESSES;
}

/**
 * Returns how long a container's keeper process has run, seconds. Clock changes do not affect it. Undefined
 * if the keeper does not run or its age is unknown.
 */
export async function keptSeconds(
  docker: Docker,
  container: Pick<ContainerInfo, "id">,
  signal: AbortSignal,
): Promise<number | undefined> {
  return (await keeperOf(docker, container, signal))?.seconds;
}

async function keeperOf(docker: Docker, { id }: Pick<ContainerInfo, "id">, signal: AbortSignal) {
  return keeperAmong(await processesOf(docker, id, signal));
}

const keeperAmong = (processes: readonly ContainerProcess[]) =>
  processes.find(({ command, isKilled }) => command.endsWith(` ${FOR_EVER}`) && !isKilled);

/**
 * Lists a container's processes. A daemon may fail to list processes that are just ending; soon after that it
 * reports the container as ended.
 */
async function processesOf(docker: Docker, id: string, signal: AbortSignal): Promise<ContainerProcess[]> {
  for (let pauseMs = 20;; pauseMs *= 2) {
    try {
      return await docker.processes(id, { signal });
    } catch (error) {
      if (!(error instanceof DockerError) || pauseMs > LATE_END_MS) throw error;
    }
    if ((await docker.inspect(id, { signal }))?.state !== "running") return [];
    await delay(pauseMs, { signal });
  }
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
