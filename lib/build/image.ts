import { StepFailure } from "../base/errors.ts";
import { type Docker, DockerError, type ImageInfo } from "../docker/docker.ts";
import { registryLogin } from "../docker/login.ts";
import type { BuildContext } from "./policy.ts";
import type { BuildSpec } from "./spec.ts";

/** Progress of a pull in the log: at most one line in this time, milliseconds. */
const PROGRESS_MS = 1000;

/** The image of a spec, pulled as it asks. Throws StepFailure `image-not-found`, `image-pull-failed`. */
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

/** The image of a spec as this host has it, if so. Throws StepFailure `image-not-found` where it is not to be pulled. */
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
  // Lines are shown one after the other; what comes faster than one a second is left out.
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
 * The daemon answers 404 for what its registry does not have, and also where the registry denies access, which is no statement
 * about the image: only that second one begins with these words of its own.
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
