import { nearestOf } from "../base/nearest.ts";
import { StepFailure } from "../base/errors.ts";
import { type Docker, DockerError, type ImageInfo } from "../docker/docker.ts";
import { parseImageName } from "../docker/image-name.ts";
import { registryLogin } from "../docker/login.ts";
import type { BuildContext } from "./policy.ts";
import { shownProxy } from "./proxies.ts";
import type { BuildSpec } from "./spec.ts";

/** Most names in a message of images like the one that is missing. */
const MOST_SIMILAR = 3;
/** Minimum time between two progress lines of a pull in the log, milliseconds. */
const PROGRESS_MS = 1000;

/**
 * Returns the spec's image, pulled according to `pull`. Throws StepFailure `image-not-found` or
 * `image-pull-failed`.
 */
export async function provideImage(context: BuildContext, { image, pull }: BuildSpec): Promise<ImageInfo> {
  const { docker, signal } = context;
  if (pull !== "always") {
    const found = await findImage(docker, { image, pull, signal });
    if (found) return found;
  }
  await pullImage(context, image);
  const pulled = await docker.inspectImage(image, { signal });
  if (pulled) return pulled;
  throw new StepFailure(`The image "${image}" was pulled but is not there`, { reason: "image-pull-failed" });
}

/**
 * Returns the spec's image if this host has it. Throws StepFailure `image-not-found` if it is missing and
 * `pull` is `never`.
 */
export async function findImage(
  docker: Docker,
  { image, pull, signal }: Pick<BuildSpec, "image" | "pull"> & { signal: AbortSignal },
): Promise<ImageInfo | undefined> {
  const found = await docker.inspectImage(image, { signal });
  if (found || pull !== "never") return found;
  const similar = await similarImages(docker, image, signal);
  throw new StepFailure(
    `The image "${image}" is not on this host, and the build says never to pull${similar}`,
    { reason: "image-not-found" },
  );
}

async function pullImage({ docker, log, policy, signal }: BuildContext, image: string): Promise<void> {
  // Only for the log: the pull itself shows whether the daemon is there.
  const proxy = await docker.info({ signal }).then((info) => info.proxy, () => undefined);
  signal.throwIfAborted();
  await log.line(
    `Pulling ${image}${proxy === undefined ? "" : `, through the daemon's proxy ${shownProxy(proxy)}`}`,
  );
  const login = await loginFor(image, policy.dockerConfig, signal);
  // Lines are logged in order. Progress within PROGRESS_MS of the last line is dropped.
  let lastShown = -Infinity;
  let shown = Promise.resolve();
  const onProgress = ({ text }: { text: string }) => {
    if (performance.now() - lastShown < PROGRESS_MS) return;
    lastShown = performance.now();
    shown = shown.then(() => log.line(text));
    // Thrown below: until then, maybe minutes later, nobody else handles it, which would end the program.
    shown.catch(() => {});
  };
  try {
    await docker.pull(image, { signal, onProgress, ...(login && { login }) });
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    const isHere = await docker.inspectImage(image, { signal }) !== undefined;
    throw pullFailure(image, error, isHere ? undefined : await similarImages(docker, image, signal));
  } finally {
    await shown;
  }
  await log.line(`Pulled ${image}`);
}

async function loginFor(image: string, configFolder: string | undefined, signal: AbortSignal) {
  if (configFolder === undefined) return undefined;
  try {
    return await registryLogin(image, { configFolder, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new StepFailure(`Cannot log in to the registry of "${image}"`, {
      reason: "image-pull-failed",
      cause: error,
    });
  }
}

/**
 * Returns the end of a message: what is on this host under names like this one, the nearest first. Empty if
 * nothing is.
 */
async function similarImages(docker: Docker, image: string, signal: AbortSignal): Promise<string> {
  const names = await docker.imageNames({ signal }).catch(() => []);
  signal.throwIfAborted();
  const last = (name: string) => name.split("/").at(-1)?.split(":")[0];
  const named = names.filter((name) => last(name) === last(image));
  const similar = [...new Set([...nearestOf(image, names, MOST_SIMILAR), ...named])].slice(0, MOST_SIMILAR);
  return similar.length === 0
    ? ""
    : `. On this host there is ${similar.map((name) => `"${name}"`).join(", ")}`;
}

/**
 * The daemon answers 404 for a missing image, and also if the registry denies access, which says nothing
 * about the image. Only the message of a denial begins with these words.
 */
const DENIED = /^(?:failed to \w+ [^:]*: )?pull access denied/;

/** The daemon's error for a registry whose certificate it does not trust. */
const UNTRUSTED = /\bx509: certificate signed by unknown authority\b/;

/** Returns what an untrusted registry needs: only the daemon can trust it. */
function whatTrusts(image: string): string {
  const { registry } = parseImageName(image);
  return `. Docker's daemon does not use --ca: put the authority's certificate into /etc/docker/certs.d/${registry}/ca.crt where the daemon runs`;
}

/** `similar`: the end of the message for an image that is not on this host. */
function pullFailure(image: string, error: DockerError, similar: string | undefined): StepFailure {
  if (error.status === 404 && !DENIED.test(error.message)) {
    return new StepFailure(`The image "${image}" does not exist: ${error.message}${similar ?? ""}`, {
      reason: "image-not-found",
      cause: error,
    });
  }
  const why = `${error.message}${UNTRUSTED.test(error.message) ? whatTrusts(image) : ""}`;
  const message = similar === undefined
    ? `The image "${image}" cannot be pulled: ${why}`
    : `The image "${image}" is not on this host, and it cannot be pulled: ${why}${similar}`;
  return new StepFailure(message, {
    reason: "image-pull-failed",
    cause: error,
  });
}
