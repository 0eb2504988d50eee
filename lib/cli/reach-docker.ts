import { messageOf, Retryable, UnavailableError } from "../base/errors.ts";
import type { DaemonInfo, Docker } from "../docker/docker.ts";
import { connectDocker } from "../docker/dockerode.ts";
import { findDocker } from "../docker/endpoint.ts";
import { type Environment } from "./environment.ts";
import { homeFolder } from "./data-folder.ts";

/** Finds Docker and makes sure that it answers. Throws InputError, UnavailableError that says what was tried. */
export async function reachDocker(
  { endpoint, environment, signal }: {
    endpoint: string | undefined;
    environment: Environment;
    signal: AbortSignal;
  },
): Promise<{ docker: Docker; info: DaemonInfo }> {
  const home = homeFolder(environment);
  const docker = connectDocker(
    await findDocker({ environment, home, ...endpoint !== undefined && { endpoint } }),
  );
  try {
    return { docker, info: await docker.info({ signal }) };
  } catch (error) {
    await docker[Symbol.asyncDispose]();
    if (!(error instanceof Retryable)) throw error;
    throw new UnavailableError(messageOf(error), {
      cause: error,
      hint: "Start Docker, or say where it is with --docker or DOCKER_HOST",
    });
  }
}
