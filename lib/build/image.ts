import { StepFailure } from "../base/errors.ts";
import { type Docker, DockerError, type ImageInfo } from "../docker/docker.ts";
import { registryLogin } from "../docker/login.ts";
import type { BuildContext } from "./policy.ts";
import type { BuildSpec } from "./spec.ts";

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
  throw new StepFailure(`The image "${image}" is not on this host, and the build says never to pull`, {
    reason: "image-not-found",
  });
}

async function pullImage({ docker, log, policy, signal }: BuildContext, image: string): Promise<void> {
  await log.line(`Pulling ${image}`);
  const login = await loginFor(image, policy.dockerConfig, signal);
  // Lines are logged in order. Progress within PROGRESS_MS of the last line is dropped.
  let lastShown = -Infinity;
  let shown = Promise.resolve();
  const onProgress = ({ text }: { text: string }) => {
    if (performance.now() - lastShown < PROGRESS_MS) return;
    lastShown = performance.now();
    shown = shown.then(() => log.line(text));
  };
  try {
    await docker.pull(image, { signal, onProgress, ...(login && { login }) });
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw pullFailure(image, error);
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
 * The daemon answers 404 for a missing image, and also if the registry denies access, which says nothing
 * about the image. Only the message of a denial begins with these words.
 */
const DENIED = /^(?:failed to \w+ [^:]*: )?pull access denied/;

function pullFailure(image: string, error: DockerError): StepFailure {
  if (error.status === 404 && !DENIED.test(error.message)) {
    return new StepFailure(`The image "${image}" does not exist: ${error.message}`, {
      reason: "image-not-found",
      cause: error,
    });
  }
  return new StepFailure(`The image "${image}" cannot be pulled: ${error.message}`, {
    reason: "image-pull-failed",
    cause: error,
  });
}
