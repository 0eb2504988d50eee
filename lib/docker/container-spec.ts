/** Variables by name; undefined removes one that the image (or, for a process, the container) sets. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Options for creating a container, in one call. Sizes are bytes. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Default: the image's. */
  readonly entrypoint?: readonly string[];
  /** Default: the image's. */
  readonly command?: readonly string[];
  readonly env: Variables;
  /** Default: the image's user. */
  readonly user?: string;
  /** Default: the image's. */
  readonly workdir?: string;
  /**
   * An unnamed volume with these labels, created and removed with the container; or an existing volume by
   * name.
   */
  readonly volume?:
    & { readonly target: string }
    & (
      | { readonly labels: Readonly<Record<string, string>> }
      | { readonly name: string }
    );
  /** Further volumes. */
  readonly mounts?: readonly MountSpec[];
  readonly network: string;
  /** Names under which the other containers of the network find this one. */
  readonly aliases?: readonly string[];
  /** Whether the daemon keeps the last 10 MB of its output, for `logs` (default false). */
  readonly keepsLog?: boolean;
  /** The only capabilities of the container. */
  readonly capabilities: readonly string[];
  readonly privileged: boolean;
  readonly pids: number;
  readonly memory: number;
  readonly cpus?: number;
  /** The daemon removes the container when its process has ended. */
  readonly removesItself?: boolean;
}

/**
 * A volume in a container. `name`: an existing one. `overlay`: an unnamed one that shows the folders `lower`,
 * the first on top, and keeps changes in another, `upper`. All are folders of volumes, as `mountpoint` says.
 */
export type MountSpec =
  & { readonly target: string }
  & (
    | { readonly name: string; readonly isReadOnly?: boolean }
    | {
      readonly overlay: {
        readonly lower: readonly string[];
        /** Without it the volume is read-only. */
        readonly changes?: { readonly upper: string; readonly work: string };
      };
    }
  );
