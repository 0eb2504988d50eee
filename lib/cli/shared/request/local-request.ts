import { realpathSync } from "node:fs";
import { relative } from "node:path";
import { InputError, UnavailableError } from "../../../base/errors.ts";
import { type LocalSource, openLocalSource } from "../../../build/git/local-source.ts";
import { type PinnedCommit, resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import type { Plan } from "../../../build/plan.ts";
import type { LocalCommit } from "../../../build/policy.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { dataFolder } from "../../../driver/program/data-folder.ts";
import type { Dirty } from "./dirty.ts";
import { snapshotWorkTree, type WorkTree } from "./uncommitted.ts";

/** A local repository when the command was typed. */
export interface LocalRequest {
  readonly source: LocalSource;
  /** What is built; undefined if there is no such ref, which the clone reports. */
  readonly commit: LocalCommit | undefined;
  /** Set if the working tree is built. Dispose it after the build. */
  readonly dirty: Dirty | undefined;
  /** An error if the uncommitted files cannot be determined; undefined if they are built. */
  readonly workTree: WorkTree | Error | undefined;
  /** The named folder, relative to the top of the work tree; empty for the top. */
  readonly below: string;
}

/** A local repository and the commit of it that is built. */
export interface OpenedLocal {
  /** The folder as it was named, absolute. */
  readonly path: string;
  readonly ref: string | undefined;
  readonly source: LocalSource;
  readonly pinned: PinnedCommit | undefined;
  readonly dirty: Dirty | undefined;
}

export interface OpenOptions {
  readonly ref: string | undefined;
  /** Whether to build the working tree. */
  readonly dirty: boolean;
  /** Folders of ours, which are not part of a working tree. */
  readonly own: readonly string[];
  readonly environment: Environment;
}

/** Opens a repository and pins what is built: later changes belong to the next build. Throws InputError. */
export async function openLocal(path: string, options: OpenOptions): Promise<OpenedLocal> {
  const { ref, environment } = options;
  const source = await openLocalSource(path, { environment });
  if (!options.dirty || ref !== undefined) {
    return { path, ref, source, pinned: resolveCommit(source, ref), dirty: undefined };
  }
  const { commitDirty } = await import("./dirty.ts");
  const dirty = await commitDirty(source, options);
  return { path, ref, source: dirty.source, pinned: dirty.pinned, dirty };
}

function localRequest({ path, source, pinned, dirty }: OpenedLocal): LocalRequest {
  const below = source.workTree === undefined ? "" : relative(source.workTree, realpathSync(path));
  const commit = pinned && { repository: path, ...pinned, ...dirty && { workTree: dirty.workTree } };
  return { source, commit, dirty, workTree: dirty ? undefined : snapshotOf(source), below };
}

/** Returns the snapshot, or the error to report with the warning, which is its only use. */
function snapshotOf(source: LocalSource): WorkTree | Error | undefined {
  try {
    return snapshotWorkTree(source);
  } catch (error) {
    if (error instanceof InputError || error instanceof UnavailableError) return error;
    throw error;
  }
}

/** Folders that a build writes to on this machine. */
export interface OwnFolders {
  readonly output?: string | undefined;
  readonly data?: string | undefined;
}

/** These folders, with the default data folder: neither is built, nor warned of. */
export const ownFolders = ({ output, data }: OwnFolders, environment: Environment): string[] =>
  [output, dataFolder(data, environment)].filter((folder) => folder !== undefined);

/**
 * Returns the state of a plan's local repository; undefined for one elsewhere. `opened`: one that is open
 * already.
 */
export async function pinned(
  { repository, spec: { ref, dirty } }: Plan,
  given: Pick<OpenOptions, "own" | "environment">,
  opened?: OpenedLocal,
): Promise<LocalRequest | undefined> {
  if (repository.kind !== "local") return undefined;
  const { path } = repository;
  const isOpen = opened?.path === path && opened.ref === ref;
  return localRequest(isOpen ? opened : await openLocal(path, { ref, dirty, ...given }));
}
