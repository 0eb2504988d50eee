import { readContext, readCurrentContext } from "./context.ts";
import { dockerConfigFolder, type DockerEndpoint, type DockerUser, type Tls } from "./endpoint.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { readTlsFiles } from "./tls-files.ts";
import { firstSocket, usualSockets } from "./usual-sockets.ts";

/**
 * Finds the daemon in the order of `docker`: `endpoint`, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current
 * context, then the first of the usual sockets that accepts a connection. An endpoint that was named is not
 * tested.
 *
 * Throws `InputError` for an invalid value, `UnavailableError` if nothing was named or found.
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
  const context = environment.DOCKER_CONTEXT || (folder && await readCurrentContext(folder));
  if (context && context !== "default") return await readContext(folder, context);
  return await firstSocket(usualSockets(user));
}

/**
 * TLS is on if `DOCKER_TLS_VERIFY` or `DOCKER_TLS` is set; only the first verifies the daemon's certificate.
 */
async function environmentTls(
  { DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH }: DockerUser["environment"],
  configFolder: string | undefined,
): Promise<Tls | undefined> {
  if (!DOCKER_TLS_VERIFY && !DOCKER_TLS) return undefined;
  const folder = DOCKER_CERT_PATH || configFolder;
  const files = folder ? await readTlsFiles(folder) : {};
  return { ...files, rejectUnauthorized: Boolean(DOCKER_TLS_VERIFY) };
}
