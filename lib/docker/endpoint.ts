/** Where a daemon listens. `name` is for messages: `unix:///var/run/docker.sock`. */
export type DockerEndpoint =
  & { readonly name: string; readonly tls?: Tls }
  & (
    | { readonly socketPath: string }
    | { readonly socketPath?: never; readonly host: string; readonly port: number }
  );

/** What `node:https` takes, as PEM. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False accepts any certificate. */
  readonly rejectUnauthorized: boolean;
}
