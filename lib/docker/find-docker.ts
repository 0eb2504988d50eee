import { readContext, readCurrentContext } from "./context.ts";
import { dockerConfigFolder, type DockerEndpoint, type DockerUser, type Tls } from "./endpoint.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { readTlsFiles } from "./tls-files.ts";
import { firstSocket, usualSockets } from "./usual-sockets.ts";

/**
 * Finds the daemon as `docker` does: what was asked for, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context, and the
 * usual sockets, of which the first that answers is taken. What somebody has named is not tried.
 *
 * Throws InputError for a value that makes no sense, UnavailableError where nothing was named and nothing was found.
 */
export async function findDocker(
  { endpoint, ...user }: DockerUser & { readonly endpoint?: string },
): Promise<DockerEndpoint> {
  const { environment } = user;
  const folder = dockerConfigFolder(user);
  const named = endpoint || environment.DOCKER_HOST;
  if (named) {
    return await parseEndpoint(named, () => environmentTls(environment, folder));
  }
  const context = environment.DOCKER_CONTEXT || await readCurrentContext(folder);
  if (context && context !== "default") return await readContext(folder, context);
  return await firstSocket(usualSockets(user));
}

/** `DOCKER_TLS_VERIFY` and `DOCKER_TLS` switch it on, the first with a look at the daemon's certificate. */
async function environmentTls(
  { DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH }: DockerUser["environment"],
  configFolder: string,
): Promise<Tls | undefined> {
  if (!DOCKER_TLS_VERIFY && !DOCKER_TLS) return undefined;
  const files = await readTlsFiles(DOCKER_CERT_PATH || configFolder);
  return { ...files, rejectUnauthorized: Boolean(DOCKER_TLS_VERIFY) };
}
