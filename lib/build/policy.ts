import type { Context } from "../driver/driver.ts";

/** What the operator allows builds and limits; a spec may ask for less, never for more. */
export interface BuildPolicy {
  readonly maxCpus: number | undefined;
  readonly maxMemory: number | undefined;
  /** Processes and threads at once in a container; undefined: as many as a spec asks for. */
  readonly maxPids: number | undefined;
  /** What a container and its workspace may take of Docker's disk, bytes; undefined: as much as there is. */
  readonly maxDiskBytes: number | undefined;
  /** Globs; empty allows every image. */
  readonly allowImages: readonly string[];
  /** Networks beside the isolated bridge and `none`. */
  readonly allowNetworks: readonly string[];
  /** Variables of `environment` that `valueFrom` may name. */
  readonly allowEnv: readonly string[];
  readonly allowPrivileged: boolean;
  /** A container that stays for a look when its run has ended. */
  readonly allowKeep: boolean;
  /** A local path as repository: only for `run`. */
  readonly allowLocalRepository: boolean;
  /** The commit of a local repository that a `run` is for, as it was when the command was typed. */
  readonly localCommit?:
    | { readonly repository: string; readonly commit: string; readonly ref: string }
    | undefined;
  /** Token, or private ssh key, by host name. */
  readonly gitTokens: Readonly<Record<string, string>>;
  /** The image that clones where credentials are used; the build's without it. */
  readonly gitImage: string | undefined;
  /** Whom ssh believes: lines of a known_hosts file. */
  readonly gitKnownHosts: string;
  /** The driver process's own environment, for `valueFrom`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The folder of Docker's own configuration (logins), e.g. `~/.docker`. */
  readonly dockerConfig: string | undefined;
}

/** What a step of a build knows. */
export type BuildContext = Context<BuildPolicy>;

/** Processes and threads of a container whose spec says nothing. */
export const DEFAULT_PIDS = 4096;
