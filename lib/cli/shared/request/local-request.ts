import { realpathSync } from "node:fs";
import { relative } from "node:path";
import { InputError, UnavailableError } from "../../../base/errors.ts";
import { type LocalSource, openLocalSource } from "../../../build/git/local-source.ts";
import { type PinnedCommit, resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { snapshotWorkTree, type WorkTree } from "./uncommitted.ts";

/** A local repository when the command was typed. */
export interface LocalRequest {
  /** What is built; undefined if there is no such ref, which the clone reports. */
  readonly commit: { readonly repository: string; readonly commit: string; readonly ref: string } | undefined;
  /** An error if the uncommitted files cannot be determined. */
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
}

/** Opens a repository and pins what is built: later commits belong to the next build. Throws InputError. */
export async function openLocal(
  path: string,
  { ref, environment }: { ref: string | undefined; environment: Environment },
): Promise<OpenedLocal> {
  const source = await openLocalSource(path, { environment });
  return { path, ref, source, pinned: resolveCommit(source, ref) };
}

export function localRequest({ path, source, pinned }: OpenedLocal): LocalRequest {
  const below = source.workTree === undefined ? "" : relative(source.workTree, realpathSync(path));
  return { commit: pinned && { repository: path, ...pinned }, workTree: snapshotOf(source), below };
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
