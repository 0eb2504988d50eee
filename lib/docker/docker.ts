import type { ContainerSpec } from "./container-spec.ts";
import type {
  Attached,
  ContainerEvent,
  ContainerInfo,
  ContainerProcess,
  DaemonInfo,
  Exec,
  ExecSpec,
  ImageInfo,
  ListedContainer,
  ListedNetwork,
  ListedVolume,
  OutputChunk,
  PullProgress,
  RegistryLogin,
} from "./objects.ts";

export type { ContainerSpec, MountSpec, Variables } from "./container-spec.ts";
export type * from "./objects.ts";

/**
 * The Docker API that we need, without types of a client library.
 *
 * Calls may run concurrently. They throw `Retryable` (reason `docker-unreachable`) if the daemon cannot be
 * reached, `DockerError` if it answers with an error, `signal.reason` if the signal fires. A missing object
 * is a result (undefined, false), never an error; so is a call that has nothing to change.
 */
export interface Docker extends AsyncDisposable {
  /** The daemon's address for messages: `unix:///var/run/docker.sock`. */
  readonly endpoint: string;
  info(options?: CallOptions): Promise<DaemonInfo>;
  /** Returns the version of a part of the daemon (`runc`, `containerd`); undefined if it does not say. */
  versionOf(component: string, options?: CallOptions): Promise<string | undefined>;
  /** Returns the daemon's clock, milliseconds since the epoch. */
  now(options?: CallOptions): Promise<number>;

  inspectImage(image: string, options?: CallOptions): Promise<ImageInfo | undefined>;
  /** Returns the names of the images on the daemon's machine, with their tags. */
  imageNames(options?: CallOptions): Promise<string[]>;
  /** Throws `DockerError` (404 if the registry does not have the image). */
  pull(
    image: string,
    options?: CallOptions & { login?: RegistryLogin; onProgress?: (progress: PullProgress) => void },
  ): Promise<void>;

  /**
   * Creates a container and returns its id. Throws `DockerError` with status 409 if the name is taken, 404 if
   * the image is unknown.
   */
  create(spec: ContainerSpec, options?: CallOptions): Promise<string>;
  /** `onSent`: called when the call has been sent to the daemon. */
  start(container: string, options?: CallOptions & { readonly onSent?: () => void }): Promise<void>;
  /** Connects to a container, which need not run yet; no later output of its process is lost. */
  attach(container: string, options?: CallOptions): Promise<Attached>;
  /**
   * Renames a container atomically: of several callers only one succeeds. False if it already has that name,
   * does not exist, or another container has the name.
   */
  rename(container: string, name: string, options?: CallOptions): Promise<boolean>;
  /** Returns a container by id or name; undefined if it does not exist. */
  inspect(container: string, options?: CallOptions): Promise<ContainerInfo | undefined>;
  /**
   * Returns all containers, running or not, with all these labels; an empty value matches any value of the
   * key. One request.
   */
  list(labels: Readonly<Record<string, string>>, options?: CallOptions): Promise<ListedContainer[]>;
  /**
   * Yields once for each change of such a container: created, started, ended, removed. Includes those since
   * `sinceMs` (by the daemon's clock) that the daemon still remembers. Continues until the signal fires.
   */
  changes(
    labels: Readonly<Record<string, string>>,
    options: CallOptions & { sinceMs: number },
  ): AsyncIterable<void>;
  /**
   * Returns the last `tail` lines that the daemon has kept of a container's output, up to its end. Only for
   * one that `keepsLog`.
   */
  logs(container: string, tail: number, options?: CallOptions): Promise<AsyncIterable<OutputChunk>>;
  /** Returns all processes of a running container; empty if it does not run. */
  processes(container: string, options?: CallOptions): Promise<ContainerProcess[]>;
  /** Kills all its processes. False if it is not running or does not exist. */
  kill(container: string, options?: CallOptions): Promise<boolean>;
  /** Freezes all processes of a running container until `unpause`. */
  pause(container: string, options?: CallOptions): Promise<void>;
  /** Lets the processes of a paused container go on. Does nothing for one that is not paused. */
  unpause(container: string, options?: CallOptions): Promise<void>;
  /**
   * Kills and removes a container and its unnamed volumes. False if it does not exist. Waits for a removal
   * that is already under way.
   */
  remove(container: string, options?: CallOptions): Promise<boolean>;

  /**
   * Starts a process. The signal aborts the call, not the process: use `detach` on one that was started. A
   * command that cannot be started (no such program, folder or user) ends with exit code 126 or 127 and says
   * why in its output.
   */
  exec(container: string, spec: ExecSpec, options?: CallOptions): Promise<Exec>;
  /** Unpacks a tar archive into an existing folder. */
  copyIn(
    container: string,
    folder: string,
    tar: AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Returns a file or folder as a tar archive; undefined if it does not exist. Holds a connection until it is
   * read, closed or aborted.
   */
  copyOut(
    container: string,
    path: string,
    options?: CallOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Returns whether a path exists, whether the container runs or not; a link exists even if its target does
   * not. False if the container does not exist.
   */
  exists(container: string, path: string, options?: CallOptions): Promise<boolean>;
  /**
   * Returns the container's events since `sinceMs` (by the daemon's clock), oldest first: `oom` (some kernels
   * count one kill twice), `kill` (requested from the daemon). The daemon remembers only the last 256 events
   * of all containers, so ask soon.
   */
  events(
    container: string,
    sinceMs: number,
    kinds: readonly ContainerEvent[],
    options?: CallOptions,
  ): Promise<ContainerEvent[]>;
  /**
   * Returns the disk usage of containers together in bytes, without their images: their own layers and their
   * volumes. The daemon measures everything it has for that, and refuses (`DockerError`) while it does so for
   * another caller. Undefined if none of the containers exists. `containers`: whole ids. `instead`: volumes
   * that are measured in the place of others, by their names.
   */
  diskBytes(
    containers: readonly string[],
    options?: CallOptions & { instead?: ReadonlyMap<string, string> },
  ): Promise<number | undefined>;
  /** Returns whether a running container has reached its limit of processes and threads. Takes a second. */
  isAtProcessLimit(container: string, options?: CallOptions): Promise<boolean>;

  /** Networks and volumes are listed by label as containers are. */
  networks(
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<ListedNetwork[]>;
  network(
    name: string,
    options?: CallOptions,
  ): Promise<{ id: string; labels: Readonly<Record<string, string>>; isolated: boolean } | undefined>;
  /**
   * Creates a bridge and returns its id; `isolated` switches traffic between its containers off, `internal`
   * that to the outside. Throws `DockerError` 409 if the name is taken.
   */
  createNetwork(
    spec: {
      name: string;
      labels: Readonly<Record<string, string>>;
      isolated: boolean;
      internal?: boolean;
    },
    options?: CallOptions,
  ): Promise<string>;
  /** Connects a container, running or not. One that is connected already is left unchanged. */
  connect(network: string, container: string, options?: CallOptions): Promise<void>;
  /** Throws `DockerError` if the container is not connected, or does not exist. */
  disconnect(network: string, container: string, options?: CallOptions): Promise<void>;
  /** False if it does not exist. Throws `DockerError` 403 or 409 if it has containers. */
  removeNetwork(id: string, options?: CallOptions): Promise<boolean>;
  volumes(
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<ListedVolume[]>;
  /** Creates a named volume; an existing one is left unchanged. */
  createVolume(
    spec: { name: string; labels: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<void>;
  /** False if it does not exist. Throws `DockerError` 409 if a container uses it. */
  removeVolume(name: string, options?: CallOptions): Promise<boolean>;
  /**
   * Returns the sizes of all volumes by name, bytes. The daemon measures them for that, as for `diskBytes`.
   */
  volumeBytes(options?: CallOptions): Promise<ReadonlyMap<string, number>>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** The daemon answered with an error. */
export class DockerError extends Error {
  override readonly name = "DockerError";
  /** HTTP status of the answer; 0 if the error came inside a stream. */
  readonly status: number;

  constructor(message: string, options: ErrorOptions & { status: number }) {
    super(message, options);
    this.status = options.status;
  }
}
