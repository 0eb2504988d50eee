import type { Context } from "../driver/driver.ts";
import type { Authorities } from "./authorities/parse.ts";
import type { Signers } from "./signatures/parse.ts";
import type { BuildSpec } from "./spec.ts";

/** The commit of a local repository that is built. */
export interface LocalCommit {
  readonly repository: string;
  readonly commit: string;
  /** As `Checkout.ref`. */
  readonly ref: string;
  /** Set for a commit of the working tree: the folder with its objects, and how many files differ. */
  readonly workTree?: { readonly objects: string; readonly changes: number } | undefined;
}

/** A local repository as a stream into the container. */
export interface LocalStream {
  /** Full name of the checked-out ref: see `Checkout`. */
  readonly ref: string;
  /** Where the repository came from: an https or ssh URL. */
  readonly origin: string | undefined;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** Opens the repository of a local folder. Throws StepFailure, and so does the stream. */
export type ReadLocal = (path: string, what: {
  readonly policy: BuildPolicy;
  readonly spec: Pick<BuildSpec, "ref" | "depth" | "submodules" | "lfs" | "sparse">;
  readonly signal: AbortSignal;
}) => Promise<LocalStream>;

/** The operator's permissions and limits for builds. A spec may ask for less, never for more. */
export interface BuildPolicy {
  readonly maxCpus: number | undefined;
  readonly maxMemory: number | undefined;
  /** Most processes and threads in a container; undefined for no limit. */
  readonly maxPids: number | undefined;
  /** Most of Docker's disk that a container and its workspace may take, bytes; undefined for no limit. */
  readonly maxDiskBytes: number | undefined;
  /** Whether what was fetched of remote repositories is kept for later clones. */
  readonly gitMirror: boolean;
  /** What the caches of builds may take on this host. */
  readonly caches: CacheLimits;
  /** Globs of image names; empty allows every image. */
  readonly allowImages: readonly string[];
  /** Networks allowed besides the isolated bridge and `none`. */
  readonly allowNetworks: readonly string[];
  /** Variables of `environment` that `valueFrom` may name. */
  readonly allowEnv: readonly string[];
  readonly allowPrivileged: boolean;
  /** Whether a container may be kept for inspection after its run. */
  readonly allowKeep: boolean;
  /** Whether the repository may be a local path; only for `run`. */
  readonly allowLocalRepository: boolean;
  /**
   * Set where local paths are allowed. Passed in, so that the program of a driver holds no code that it
   * cannot use.
   */
  readonly readLocal?: ReadLocal | undefined;
  /** The commit of a local repository that a `run` builds, pinned when the command was typed. */
  readonly localCommit?: LocalCommit | undefined;
  /** Tokens and private ssh keys, by host name. */
  readonly gitTokens: Readonly<Record<string, string>>;
  /** The image that clones with credentials; the build's image if undefined. */
  readonly gitImage: string | undefined;
  /** The host keys that ssh trusts: lines of a known_hosts file. */
  readonly gitKnownHosts: string;
  /** Authorities that git and builds trust beside the image's. */
  readonly authorities?: Authorities | undefined;
  /** Whose signatures every commit needs; undefined if it needs none. */
  readonly signers?: Signers | undefined;
  /** The driver process's own environment, for `valueFrom`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder of Docker's own configuration (logins), e.g. `~/.docker`. */
  readonly dockerConfig: string | undefined;
}

/** How much caches may take on a host, and how long one stays that no build uses. */
export interface CacheLimits {
  /** Bytes; undefined for no limit. */
  readonly maxBytes: number | undefined;
  /** Milliseconds; undefined for no limit. */
  readonly maxAgeMs: number | undefined;
}

/** The context of a build's step. */
export type BuildContext = Context<BuildPolicy>;

/** Default limit of processes and threads in a container. */
export const DEFAULT_PIDS = 4096;
