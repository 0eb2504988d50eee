import { messageOf, Retryable, UnavailableError } from "../../base/errors.ts";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";
import { connectDocker } from "../../docker/dockerode.ts";
import type { DockerEndpoint } from "../../docker/endpoint.ts";
import { findDocker } from "../../docker/find-docker.ts";
import { type Environment } from "./command-line/environment.ts";
import { homeFolder } from "../../base/home-folder.ts";

export interface DockerOptions {
  /** As named by the user; undefined to search for it. */
  readonly endpoint: string | undefined;
  readonly environment: Environment;
  /** Stops waiting for Docker. */
  readonly signal: AbortSignal;
}

/** A pending connection to Docker. Dispose closes it, whether Docker has answered or not. */
export interface Reaching extends AsyncDisposable {
  /** Rejects with InputError, UnavailableError (which says what was tried) or `signal.reason`. */
  readonly answer: Promise<{ docker: Docker; info: DaemonInfo }>;
  /** Resolves when the question is sent, or there is nobody to ask. Until then, work delays it. */
  readonly asked: Promise<void>;
}

/** Starts connecting to Docker in the background. */
export function reachDocker({ signal, ...options }: DockerOptions): Reaching {
  const closing = new AbortController();
  const sent = Promise.withResolvers<void>();
  const answer = find(options).then((found) =>
    answerOf(connectDocker(found, { onSent: sent.resolve }), AbortSignal.any([signal, closing.signal]))
  );
  answer.catch(sent.resolve);
  return {
    answer,
    asked: sent.promise,
    async [Symbol.asyncDispose]() {
      closing.abort();
      const reached = await answer.catch(() => undefined);
      await reached?.docker[Symbol.asyncDispose]();
    },
  };
}

async function find({ endpoint, environment }: Omit<DockerOptions, "signal">): Promise<DockerEndpoint> {
  const home = homeFolder(environment);
  return await findDocker({ environment, home, ...endpoint !== undefined && { endpoint } });
}

async function answerOf(docker: Docker, signal: AbortSignal): Promise<{ docker: Docker; info: DaemonInfo }> {
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
