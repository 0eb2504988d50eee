import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../../base/errors.ts";
import { type LocalSource, withObjects } from "../../../build/git/local-source.ts";
import { type PinnedCommit, resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import { commitWorkTree } from "../../../build/git/work-tree/work-tree-commit.ts";
import type { LocalCommit } from "../../../build/policy.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { DEFAULT_OUTPUT } from "./build-flags.ts";
import { changedFiles, snapshotWorkTree } from "./uncommitted.ts";

/** The working tree of a repository as a commit, whose objects lie in a folder of ours until disposed. */
export interface Dirty extends Disposable {
  readonly source: LocalSource;
  readonly pinned: PinnedCommit;
  readonly workTree: LocalCommit["workTree"];
  /** Other repositories in it, which are left out. */
  readonly leftOut: readonly string[];
}

/**
 * Commits the working tree as it is, without what git ignores and without our own folders (`own`). Nothing of
 * the repository is run. Throws InputError, and UnavailableError if there is no git to say what it ignores.
 */
export async function commitDirty(
  source: LocalSource,
  { environment, own }: { environment: Environment; own: readonly string[] },
): Promise<Dirty> {
  const head = resolveCommit(source, undefined);
  const snapshot = snapshotWorkTree(source);
  if (!snapshot || !head) {
    const what = source.workTree === undefined ? "it is a bare repository" : "it has no commit yet";
    throw new InputError(
      `--dirty: Cannot build the working tree of "${source.path}": ${what}, expected a working tree with a commit below it`,
    );
  }
  const paths = await changed(snapshot, { environment, own: [...own, join(snapshot.path, DEFAULT_OUTPUT)] });
  const objects = await mkdtemp(join(tmpdir(), "conveyor-dirty-"));
  const remove = () => rmSync(objects, { recursive: true, force: true });
  process.once("exit", remove);
  const dispose = () => {
    process.off("exit", remove);
    remove();
  };
  try {
    const made = await commitWorkTree(source, {
      workTree: snapshot.path,
      head: head.commit,
      paths,
      objects,
    });
    return {
      source: withObjects(source, objects),
      pinned: { commit: made.commit, ref: head.ref },
      workTree: { objects, changes: made.changed.length },
      leftOut: made.leftOut.map((path) => Buffer.from(path, "latin1").toString("utf8")),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function changed(
  snapshot: Parameters<typeof changedFiles>[0],
  options: { environment: Environment; own: readonly string[] },
): Promise<string[]> {
  let paths: string[] | undefined;
  try {
    const { signal } = new AbortController();
    paths = await changedFiles(snapshot, { ...options, untracked: "all", signal });
  } catch (error) {
    throw new UnavailableError(`--dirty: Cannot tell what is not committed: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (paths) return paths;
  throw new UnavailableError("--dirty: Cannot tell what git ignores: there is no git on this machine", {
    hint: "Install git, or commit and build without --dirty",
  });
}
