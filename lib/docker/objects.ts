import type { Variables } from "./container-spec.ts";

/** Properties of a Docker daemon. */
export interface DaemonInfo {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly cpus: number;
  /** Architecture as images name it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Bytes. */
  readonly memory: number;
  /**
   * Whether the kernel can filter traffic inside a bridge (`BridgeNfIptables`). Needed to switch off traffic
   * between containers.
   */
  readonly filtersBridges: boolean;
  /** Folder of its images and containers, on the daemon's machine. */
  readonly rootFolder: string;
  /** How it stores images (`overlay2`), if it says so. */
  readonly storage?: string | undefined;
  /** The version of the kernel's control groups, if it says so: `1` or `2`. */
  readonly cgroups?: string | undefined;
  /** The proxy through which the daemon pulls from registries, if it has one. */
  readonly proxy?: string | undefined;
  /** The daemon's clock, milliseconds since the epoch. */
  readonly now: number;
}

/** A volume in a list. */
export interface ListedVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its folder on the daemon's machine. */
  readonly mountpoint: string;
  /** Milliseconds since the epoch in the daemon's clock. */
  readonly createdAt: number;
}

export interface ListedNetwork {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch in the daemon's clock. */
  readonly createdAt: number;
}

/** A container in a list; listing takes one request, however many there are. */
export interface ListedContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  /** Creation time by the daemon's clock, whole seconds since the epoch. `inspect` has milliseconds. */
  readonly createdSecond: number;
  /** Names of its volumes, by mount folder. */
  readonly volumes: Readonly<Record<string, string>>;
}

/** A container's properties as returned by `inspect`. */
export interface ContainerInfo extends Omit<ListedContainer, "createdSecond"> {
  readonly image: string;
  /** User of its processes; empty means root. */
  readonly user: string;
  /** Variables of its processes: the image's, and those it was created with. */
  readonly env: Readonly<Record<string, string>>;
  /** Creation time by the daemon's clock, milliseconds since the epoch. */
  readonly createdAt: number;
  /** How its first process ended; only if it has. */
  readonly end?: { readonly exitCode: number; readonly isOutOfMemory: boolean };
}

/** A piece of a process's output. It may end in the middle of a line or a character. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

export interface ExecSpec {
  readonly command: readonly string[];
  readonly env?: Variables;
  readonly user?: string;
  readonly workdir?: string;
  /** Bytes for standard input, which is then closed; without them it is closed at once. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** The process needs no network, so it may start before its container is connected (default false). */
  readonly offline?: boolean;
}

/** A process in a container. Reading `output` slowly slows the process down; buffers are bounded. */
export interface Exec {
  readonly id: string;
  /**
   * Ends once all holders of stdout and stderr have closed them, or after `detach`. Throws `Retryable` if the
   * connection breaks or a frame is invalid.
   */
  readonly output: AsyncIterable<OutputChunk>;
  /**
   * Returns the exit code once the process itself has ended, even if a child process still holds its output;
   * undefined while it runs.
   */
  exitCode(): Promise<number | undefined>;
  /**
   * Stops reading: `output` ends. The process continues, but its exit code is no longer available, unless
   * `exitCode` has returned it.
   */
  detach(): void;
}

export interface ContainerProcess {
  /** Process id on the daemon's machine. */
  readonly pid: number;
  readonly command: string;
  /**
   * Running time by a clock that cannot be set, whole seconds; undefined if the daemon's machine cannot tell.
   */
  readonly seconds: number | undefined;
  /** True if it was sent SIGKILL and still exists; false also if the daemon's machine cannot tell. */
  readonly isKilled: boolean;
}

/** Output of a container's own process, from when it was attached. */
export interface Attached {
  /** Ends when the process has ended or after `detach`. Throws as the output of an `Exec` does. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Stops reading. The process continues. */
  detach(): void;
}

/** A local image. */
export interface ImageInfo {
  readonly id: string;
  /** Empty for root. */
  readonly user: string;
  readonly architecture: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Credentials for pulling from a registry. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly serverAddress: string;
}

export interface PullProgress {
  /** One line of the daemon's progress: `4f4fb700ef54: Downloading 12 MB/30 MB`. */
  readonly text: string;
}

export type ContainerEvent = "oom" | "kill";
