import { join } from "node:path";

/** A daemon's address. `name` is for messages: `unix:///var/run/docker.sock`, `tcp://build1:2376`. */
export type DockerEndpoint =
  & { readonly name: string; readonly tls?: Tls }
  & (
    | { readonly socketPath: string }
    | { readonly socketPath?: never; readonly host: string; readonly port: number }
  );

/** Options of `node:https`; the texts are PEM. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False accepts any certificate. */
  readonly rejectUnauthorized: boolean;
}

/** The user of Docker: the process's environment, and home folder if there is one. */
export interface DockerUser {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string | undefined;
}

/**
 * Returns Docker's folder of contexts and logins: `DOCKER_CONFIG`, or `.docker` in the home folder. Undefined
 * if there is neither.
 */
export function dockerConfigFolder({ environment, home }: DockerUser): string | undefined {
  return environment.DOCKER_CONFIG || (home && join(home, ".docker"));
}
