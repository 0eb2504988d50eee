import { join } from "node:path";
import { readContext, readCurrentContext } from "./context.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { readTlsFiles } from "./tls-files.ts";
import { firstSocket, usualSockets } from "./usual-sockets.ts";

/** Where a daemon listens. `name` is for messages: `unix:///var/run/docker.sock`, `tcp://build1:2376`. */
export type DockerEndpoint =
  & { readonly name: string; readonly tls?: Tls }
  & (
    | { readonly socketPath: string }
    | { readonly socketPath?: never; readonly host: string; readonly port: number }
  );

/** As `node:https` takes it; the texts are PEM. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False accepts any certificate. */
  readonly rejectUnauthorized: boolean;
}

/** Whose Docker it is: the process's environment and home folder. */
export interface DockerUser {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Where Docker keeps its contexts and logins: `DOCKER_CONFIG`, or `.docker` in the home folder. */
export function dockerConfigFolder({ environment, home }: DockerUser): string {
  return environment.DOCKER_CONFIG || join(home, ".docker");
}

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
