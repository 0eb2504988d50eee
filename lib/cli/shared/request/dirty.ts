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
import { checkedOutModules } from "./dirty-modules.ts";
import { type Changed, changedFiles, snapshotWorkTree } from "./uncommitted.ts";

/** The working tree of a repository as a commit, whose objects lie in a folder of ours until disposed. */
export interface Dirty extends Disposable {
  readonly source: LocalSource;
  readonly pinned: PinnedCommit;
  readonly workTree: LocalCommit["workTree"];
  /** Submodules that are not as the commit below has them. */
  readonly modules: readonly string[];
  /** Other repositories in it, which are left out. */
  readonly leftOut: readonly string[];
}

interface Options {
  readonly environment: Environment;
  /** Folders of ours, which are no part of it. */
  readonly own: readonly string[];
}

/**
 * Commits the working tree as it is, with those of its submodules, without what git ignores and without our
 * own folders (`own`). Nothing of the repository is run. Throws InputError, and UnavailableError if there is
 * no git to say what it ignores.
 */
export async function commitDirty(source: LocalSource, options: Options): Promise<Dirty> {
  const objects = await mkdtemp(join(tmpdir(), "conveyor-dirty-"));
  const remove = () => rmSync(objects, { recursive: true, force: true });
  process.once("exit", remove);
  const dispose = () => {
    process.off("exit", remove);
    remove();
  };
  try {
    const { commit, ref, changes, modules, leftOut } = await commitInto(objects, source, options);
    return {
      source: withObjects(source, objects),
      pinned: { commit, ref },
      workTree: { objects, changes },
      modules: modules.map(shown),
      leftOut: leftOut.map(shown),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

const shown = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/** A working tree whose objects are in our folder. Paths are Latin-1 text. */
interface Committed extends PinnedCommit {
  /** How many files differ, those of submodules included. */
  readonly changes: number;
  readonly modules: readonly string[];
  readonly leftOut: readonly string[];
}

async function commitInto(objects: string, source: LocalSource, options: Options): Promise<Committed> {
  const head = resolveCommit(source, undefined);
  const snapshot = snapshotWorkTree(source);
  if (!snapshot || !head) {
    const what = source.workTree === undefined ? "it is a bare repository" : "it has no commit yet";
    throw new InputError(
      `--dirty: Cannot build the working tree of "${source.path}": ${what}, expected a working tree with a commit below it`,
    );
  }
  const own = [...options.own, join(snapshot.path, DEFAULT_OUTPUT)];
  const differing = await changed(snapshot, { ...options, own });
  const removed = new Set(differing.filter(({ isRemoved }) => isRemoved).map(({ path }) => path));
  const modules = new Map<string, Committed>();
  const moved: string[] = [];
  for (const { path, id, source: module } of await checkedOutModules(source, head.commit, options)) {
    if (removed.has(path)) continue;
    const committed = await commitInto(objects, module, options);
    modules.set(path, committed);
    if (committed.commit !== id) moved.push(path);
  }
  const made = await commitWorkTree(source, {
    workTree: snapshot.path,
    head: head.commit,
    paths: differing.map(({ path }) => path),
    removed,
    modules: new Map(Array.from(modules, ([path, { commit }]) => [path, commit])),
    objects,
  });
  const files = made.changed.filter((path) => !modules.has(path)).length;
  // A submodule at another commit counts as one.
  const below = moved.reduce((sum, path) => sum + Math.max(1, modules.get(path)?.changes ?? 0), 0);
  const inside = (names: (one: Committed) => readonly string[]) =>
    Array.from(modules, ([path, one]) => names(one).map((name) => `${path}/${name}`)).flat();
  return {
    commit: made.commit,
    ref: head.ref,
    changes: files + below,
    modules: [...moved, ...inside((one) => one.modules)],
    leftOut: [...made.leftOut, ...inside((one) => one.leftOut)],
  };
}

async function changed(
  snapshot: Parameters<typeof changedFiles>[0],
  options: { environment: Environment; own: readonly string[] },
): Promise<Changed[]> {
  let paths: Changed[] | undefined;
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
