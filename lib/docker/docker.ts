/** What we know of a daemon. */
export interface DaemonInfo {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly cpus: number;
  /** As images name it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Bytes. */
  readonly memory: number;
  /** Whether its kernel can filter traffic inside a bridge (`BridgeNfIptables`), which switching off traffic between containers needs. */
  readonly filtersBridges: boolean;
  /** Where its images and containers lie, on its own machine. */
  readonly rootFolder: string;
  /** What its clock said, milliseconds since the epoch. */
  readonly now: number;
}

/** By name; undefined takes a variable away that the image (or, for a process, the container) has. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Everything a container is created with, in one call. Sizes are bytes. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: Variables;
  /** The image's user without it. */
  readonly user?: string;
  readonly workdir: string;
  /** An unnamed volume with these labels, made with the container and removed with it; or one that another container has. */
  readonly volume:
    & { readonly target: string }
    & (
      | { readonly labels: Readonly<Record<string, string>> }
      | { readonly name: string }
    );
  readonly network: string;
  /** The only capabilities the container has. */
  readonly capabilities: readonly string[];
  readonly privileged: boolean;
  readonly pids: number;
  readonly memory: number;
  readonly cpus?: number;
  /** The daemon removes the container when its process has ended. */
  readonly removesItself?: boolean;
}

/** A container as the daemon lists it: one request, however many there are. */
export interface ListedContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  /** Whole seconds since the epoch, in the daemon's clock: `inspect` tells which of two came first. */
  readonly createdSecond: number;
}

/** A container as the daemon tells of one by itself. */
export interface ContainerInfo extends Omit<ListedContainer, "createdSecond"> {
  readonly image: string;
  /** The user its processes run as; empty means root. */
  readonly user: string;
  /** The variables of its processes: the image's, and those that it was created with. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, in the daemon's clock. */
  readonly createdAt: number;
  /** Names of its volumes, by the folder that they are mounted at. */
  readonly volumes: Readonly<Record<string, string>>;
}

/** A piece of a process's output. A piece may end in the middle of a line or of a character. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

export interface ExecSpec {
  readonly command: readonly string[];
  readonly env?: Variables;
  readonly user?: string;
  readonly workdir?: string;
  /** Bytes for its standard input, which is closed after them; closed at once without. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** A process in a container. Reading `output` slowly slows the process down; nothing is buffered without bound. */
export interface Exec {
  readonly id: string;
  /** Ends when stdout and stderr are closed by all who hold them, or when `detach` was called. Throws `Retryable` when the connection breaks or a frame makes no sense. */
  readonly output: AsyncIterable<OutputChunk>;
  /** The exit code once the process itself has ended, although a child of it may still hold its output; undefined while it runs. */
  exitCode(): Promise<number | undefined>;
  /** Stops reading: `output` ends. The process goes on; the daemon tells its exit code no more, unless `exitCode` has it. */
  detach(): void;
}

export interface ContainerProcess {
  /** On the daemon's machine. */
  readonly pid: number;
  readonly command: string;
  /** How long it has been running, whole seconds by no clock that can be set; undefined where the daemon's machine cannot tell. */
  readonly seconds: number | undefined;
  /** It was sent SIGKILL, and is not gone yet; false also where the daemon's machine cannot tell. */
  readonly isKilled: boolean;
}

/** What a container's own process writes, from the moment of attaching. */
export interface Attached {
  /** Ends when the process has ended, or when `detach` was called. Throws as the output of an `Exec` does. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Stops reading. The process goes on. */
  detach(): void;
}

/** An image as it lies there. */
export interface ImageInfo {
  readonly id: string;
  /** Empty for root. */
  readonly user: string;
  readonly architecture: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Who may pull from a registry. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly serverAddress: string;
}

export interface PullProgress {
  /** One line of what the daemon says: `4f4fb700ef54: Downloading 12 MB/30 MB`. */
  readonly text: string;
}

/**
 * Moves containers. No type of a client library comes through here.
 *
 * Every call may be made at once from many places and throws `Retryable` (reason `docker-unreachable`) when the daemon
 * cannot be reached, `DockerError` when it answers with a failure, `signal.reason` when the signal fires. "Not there"
 * is an answer (undefined, false), never an error, and so is "already so".
 */
export interface Docker extends AsyncDisposable {
  /** Where it is, for messages: `unix:///var/run/docker.sock`. */
  readonly endpoint: string;
  info(options?: CallOptions): Promise<DaemonInfo>;
  /** The daemon's clock, milliseconds since the epoch. */
  now(options?: CallOptions): Promise<number>;

  inspectImage(image: string, options?: CallOptions): Promise<ImageInfo | undefined>;
  /** Throws DockerError (404 for an image that its registry does not have). */
  pull(
    image: string,
    options?: CallOptions & { login?: RegistryLogin; onProgress?: (progress: PullProgress) => void },
  ): Promise<void>;

  /** Answers the container's id. A taken name is a DockerError with status 409; an unknown image one with 404. */
  create(spec: ContainerSpec, options?: CallOptions): Promise<string>;
  start(container: string, options?: CallOptions): Promise<void>;
  /** Connects to a container that need not run yet; what its process writes from then on is not lost. */
  attach(container: string, options?: CallOptions): Promise<Attached>;
  /**
   * Gives a container another name, in one step that no two callers can both do. False where it has that name already, is not
   * there, or another container has the name.
   */
  rename(container: string, name: string, options?: CallOptions): Promise<boolean>;
  /** By id or name. */
  inspect(container: string, options?: CallOptions): Promise<ContainerInfo | undefined>;
  /** All containers, running or not, that carry all these labels; an empty value asks for the key alone. One request. */
  list(labels: Readonly<Record<string, string>>, options?: CallOptions): Promise<ListedContainer[]>;
  /**
   * One item for each change of such a container: created, started, ended, removed. Has those since `sinceMs` (the daemon's
   * clock) too, as far as the daemon remembers them. Goes on until the signal fires.
   */
  changes(
    labels: Readonly<Record<string, string>>,
    options: CallOptions & { sinceMs: number },
  ): AsyncIterable<void>;
  /** All processes in a running container; empty when it does not run. */
  processes(container: string, options?: CallOptions): Promise<ContainerProcess[]>;
  /** Kills every process in it. False where it is not running or not there. */
  kill(container: string, options?: CallOptions): Promise<boolean>;
  /** Stops every process in a running container where it is, until `unpause`. */
  pause(container: string, options?: CallOptions): Promise<void>;
  unpause(container: string, options?: CallOptions): Promise<void>;
  /** Kills and removes it, with its unnamed volumes. False where it is not there. Waits for a removal already under way. */
  remove(container: string, options?: CallOptions): Promise<boolean>;

  /**
   * Starts a process. The signal ends the call, not the process: one that was started is let go of with `detach`. What cannot
   * be started (no such program, folder or user) ends with exit code 126 or 127 and says why in its output.
   */
  exec(container: string, spec: ExecSpec, options?: CallOptions): Promise<Exec>;
  /** Unpacks a tar archive below a folder that exists. */
  copyIn(
    container: string,
    folder: string,
    tar: AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<void>;
  /** A file or folder as a tar archive; undefined where there is none. Holds a connection until it is read, left or aborted. */
  copyOut(
    container: string,
    path: string,
    options?: CallOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Whether there is anything at a path, the container running or not; a link counts as itself, wherever it points. False where the container is not there. */
  exists(container: string, path: string, options?: CallOptions): Promise<boolean>;
  /**
   * What the daemon says has happened to a container since `sinceMs` (its clock), oldest first: `oom` (some kernels count one
   * kill twice), `kill` (somebody asked the daemon for it). It remembers the last 256 events of all its containers, so ask soon.
   */
  events(
    container: string,
    sinceMs: number,
    kinds: readonly ContainerEvent[],
    options?: CallOptions,
  ): Promise<ContainerEvent[]>;
  /**
   * What a container takes on disk, beside its image: its own layer and its volumes. The daemon goes through all that it has for
   * that, and refuses (DockerError) while it does so for somebody else. Undefined where the container is not there.
   */
  diskBytes(container: string, options?: CallOptions): Promise<number | undefined>;
  /** Whether a running container has as many processes and threads as it may have. Takes a second. */
  isAtProcessLimit(container: string, options?: CallOptions): Promise<boolean>;

  /** Networks and volumes are found by label as containers are. */
  networks(
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<{ id: string; name: string; labels: Readonly<Record<string, string>> }[]>;
  /** `isolated`: a bridge with traffic between its containers off. */
  network(
    name: string,
    options?: CallOptions,
  ): Promise<{ id: string; labels: Readonly<Record<string, string>>; isolated: boolean } | undefined>;
  /** A bridge; `isolated` switches traffic between its containers off. A taken name is a DockerError with status 409. */
  createNetwork(
    spec: { name: string; labels: Readonly<Record<string, string>>; isolated: boolean },
    options?: CallOptions,
  ): Promise<string>;
  /** False where it is not there. One with containers on it is a DockerError with status 403 or 409. */
  removeNetwork(id: string, options?: CallOptions): Promise<boolean>;
  volumes(
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<{ name: string; labels: Readonly<Record<string, string>> }[]>;
  /** A named volume; one of that name that is there already is left as it is. */
  createVolume(
    spec: { name: string; labels: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<void>;
  removeVolume(name: string, options?: CallOptions): Promise<boolean>;
}

export type ContainerEvent = "oom" | "kill";

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** The daemon understood and refused. */
export class DockerError extends Error {
  override readonly name = "DockerError";
  /** The HTTP status of its answer; 0 where the failure came inside a stream. */
  readonly status: number;

  constructor(message: string, options: ErrorOptions & { status: number }) {
    super(message, options);
    this.status = options.status;
  }
}
