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
import { onOneLine } from "../base/text.ts";

/** A folder in the container for what is ours, outside of the workspace. Any user may add to it; the sticky bit protects the rest. */
export const OWN_FOLDER = "/.conveyor";
/** The last argument of the process that keeps a container, and of no other: init's own ends with the whole script. */
const FOR_EVER = "2147483647";
const READY = "conveyor: ready";
/** How long a daemon may call a container running whose processes have ended, milliseconds. */
const LATE_END_MS = 1000;
/** Output of a container that does not keep running, of which its failure tells. */
const MOST_SAID_BYTES = 2000;

/**
 * The shell script of the process that keeps a container, under Docker's init. It runs as root and ignores TERM (so does the
 * sleep that it becomes), so that ending a build's processes leaves it alone.
 */
export function idleScript({ env }: ImageInfo): string {
  return `trap '' TERM INT HUP
PATH=${quoted(ownPath(env.PATH))}
mkdir -p -m 1777 ${OWN_FOLDER} && command -v sleep >/dev/null || { echo "it needs mkdir and sleep"; exit 127; }
echo "${READY}"
exec sleep ${FOR_EVER} # keeps the container`;
}

/**
 * Starts a container and returns once its own process is there to stay. Throws StepFailure `container-failed` where Docker
 * refuses, `image-unusable` with what the container said where the image cannot run that process.
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

/** Reads until the container says that it is ready, or ends. */
async function firstWords({ output }: Attached): Promise<{ isReady: boolean; said: string }> {
  const decoder = new TextDecoder();
  let said = "";
  /** The end of what it said, however much that is: an image may talk before it is ready. */
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

/** That an image is made for other machines than the daemon's, which an emulator may or may not make up for. */
function otherMachine(image: ImageInfo, daemon: DaemonInfo): string {
  if (image.architecture === daemon.architecture) return "";
  return ` (the image is for ${image.architecture}, and Docker runs on ${daemon.architecture})`;
}

/**
 * Whether a container is still kept. A build may run as root and kill the process that keeps it: on a busy machine that process
 * is there for a moment after that, and the daemon says "running" even longer.
 */
export async function isKept(
  docker: Docker,
  container: Pick<ContainerInfo, "id">,
  signal: AbortSignal,
): Promise<boolean> {
  return (await keeperOf(docker, container, signal)) !== undefined;
}

/** For how long a container has been kept, by no clock that can be set; undefined where it is not, or nobody can tell. */
export async function keptSeconds(
  docker: Docker,
  container: Pick<ContainerInfo, "id">,
  signal: AbortSignal,
): Promise<number | undefined> {
  return (await keeperOf(docker, container, signal))?.seconds;
}

async function keeperOf(docker: Docker, { id }: Pick<ContainerInfo, "id">, signal: AbortSignal) {
  const processes = await processesOf(docker, id, signal);
  return processes.find(({ command, isKilled }) => command.endsWith(` ${FOR_EVER}`) && !isKilled);
}

/** A daemon may fail to list processes that are just ending: then it soon knows that the container does not run. */
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
