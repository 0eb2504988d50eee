import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../../../base/errors.ts";
import { ifThere, lstatIfThere } from "../../../base/files.ts";
import { isTrue, lastOf, parseConfig } from "./config.ts";
import { GitFolder } from "./git-folder.ts";
import { withoutTrailing } from "../../../base/text.ts";

/** Location of a folder's repository, as absolute paths without links. */
export interface Found {
  readonly workTree: string | undefined;
  readonly gitFolder: string;
  readonly commonFolder: string;
  /** Paths that must belong to us. */
  readonly paths: readonly string[];
  /** True if alternates are trusted, otherwise the reason why not. */
  readonly mayBorrow: true | string;
}

/** A folder is in no repository, or in one that could mislead us. */
export class NoRepository extends InputError {
  readonly why: string;

  constructor(path: string, why: string) {
    super(`Cannot build ${JSON.stringify(path)}: ${why}`);
    this.why = why;
  }
}

/** Enough of HEAD to recognise it. */
const HEAD_BYTES = 64;
const MOST_POINTER_BYTES = 1024 * 1024;

/**
 * Finds the repository that a folder belongs to, as git does: `.git` in it or in a parent, a `.git` file that
 * points elsewhere, or a bare repository. Throws NoRepository if there is none, or if it could mislead us:
 *
 * - A bare repository inside another repository is refused: a clone can bring one (git's
 *   `safe.bareRepository=explicit`).
 * - A `.git` file or link is trusted if its target points back to it (linked work trees by `gitdir`,
 *   submodules by `core.worktree`) or names no work tree (`--separate-git-dir`). It is refused if its target
 *   is another work tree's git folder.
 * - `commondir` is trusted in a linked work tree only, and only if it names the repository whose `worktrees`
 *   contains it.
 */
export function findRepository(path: string): Found {
  const top = realFolder(path);
  for (const folder of upwards(top)) {
    const dotGit = join(folder, ".git");
    const stats = lstatIfThere(dotGit);
    if (stats?.isDirectory() && isGitFolder(dotGit)) return plain(folder, dotGit);
    if (stats?.isFile()) return pointedTo(folder, dotGit, targetOf(folder));
    if (stats?.isSymbolicLink()) return pointedTo(folder, dotGit, dotGit);
    if (stats && !stats.isDirectory()) {
      throw new NoRepository(path, `"${dotGit}" is neither a folder nor a file`);
    }
    if (!isGitFolder(folder)) continue;
    return basename(folder) === ".git" ? plain(dirname(folder), folder) : bare(path, folder);
  }
  throw new NoRepository(path, "it is not in a git repository");
}

function realFolder(path: string): string {
  const real = ifThere(path, () => realpathSync(resolve(path)));
  const what = real === undefined
    ? "does not exist"
    : lstatIfThere(real)?.isDirectory()
    ? undefined
    : "is not a folder";
  if (real !== undefined && what === undefined) return real;
  throw new NoRepository(path, `it ${what}; expected a git repository`);
}

function* upwards(from: string): Generator<string> {
  for (let folder = from;; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

/** Whether git could accept this as a git folder. The contents of its files are checked later. */
function isGitFolder(folder: string): boolean {
  const has = (name: string) => lstatIfThere(join(folder, name)) !== undefined;
  if (!has("HEAD") || !(has("commondir") || (has("objects") && has("refs")))) return false;
  const head = lstatIfThere(join(folder, "HEAD"));
  if (!head?.isFile() || basename(folder) === ".git") return true;
  using file = new GitFolder(folder).open("HEAD");
  const text = file?.read(0, HEAD_BYTES).toString("latin1") ?? "";
  return /^ref:\s*refs\/|^[0-9a-f]{40}/.test(text);
}

function plain(workTree: string, gitFolder: string): Found {
  if (lstatIfThere(join(gitFolder, "commondir"))) {
    throw new NoRepository(
      workTree,
      `"${join(gitFolder, "commondir")}" points elsewhere, which git writes for linked work trees only`,
    );
  }
  const outer = outerRepository(workTree);
  return {
    workTree: worksElsewhere(gitFolder, workTree) ? undefined : workTree,
    gitFolder,
    commonFolder: gitFolder,
    paths: [workTree, gitFolder],
    mayBorrow: outer === undefined || `and the repository lies inside of another one ("${outer}")`,
  };
}

function bare(path: string, folder: string): Found {
  const outer = outerRepository(folder);
  if (outer !== undefined) {
    throw new NoRepository(
      path,
      `"${folder}" is a bare repository inside of another repository ("${outer}"), which may have brought it along; build a clone of it`,
    );
  }
  return {
    workTree: undefined,
    gitFolder: folder,
    commonFolder: folder,
    paths: [folder],
    mayBorrow:
      'which is believed of a repository with a work tree only; "git repack -a" and removing that file make an own copy',
  };
}

/** Returns the outer repository that a folder lies in, other than its own. */
function outerRepository(folder: string): string | undefined {
  for (const outer of upwards(dirname(folder))) {
    if (outer === folder) return undefined;
    if (lstatIfThere(join(outer, ".git")) || isGitFolder(outer)) return outer;
  }
  return undefined;
}

/** Returns the path in a folder's `.git` file, which is `gitdir: <path>`. */
function targetOf(folder: string): string {
  const text = textOf(folder, ".git");
  const target = /^gitdir: (.+)$/s.exec(withoutTrailing(text, "\r\n"))?.[1];
  if (target !== undefined && !/[\r\n\0]/.test(target)) return resolve(folder, target);
  throw new NoRepository(
    folder,
    `"${join(folder, ".git")}" does not name a git folder: expected "gitdir: <path>"`,
  );
}

function pointedTo(workTree: string, dotGit: string, target: string): Found {
  const gitFolder = ifThere(target, () => realpathSync(target));
  if (gitFolder === undefined || !lstatIfThere(gitFolder)?.isDirectory() || !isGitFolder(gitFolder)) {
    throw new NoRepository(workTree, `"${dotGit}" points to "${target}", which is not a git folder`);
  }
  const found = { workTree, gitFolder, mayBorrow: true as const };
  if (lstatIfThere(join(gitFolder, "commondir"))) {
    const commonFolder = commonFolderOf(gitFolder, dotGit);
    return { ...found, commonFolder, paths: [workTree, dotGit, gitFolder, commonFolder] };
  }
  const config = parseConfig(textOf(gitFolder, "config"));
  const named = lastOf(config, "core.worktree");
  const isOwn = named !== undefined && !worksElsewhere(gitFolder, workTree);
  if (!isOwn && (named !== undefined || basename(gitFolder) === ".git" || isTrue(config, "core.bare"))) {
    throw new NoRepository(
      workTree,
      `"${dotGit}" points to "${gitFolder}", which is another work tree's or a bare repository`,
    );
  }
  return { ...found, commonFolder: gitFolder, paths: [workTree, dotGit, gitFolder] };
}

/**
 * Returns the common folder of a linked work tree. Its git folder is `<common>/worktrees/<name>`, and its
 * files `gitdir` and `commondir` must agree with that.
 */
function commonFolderOf(gitFolder: string, dotGit: string): string {
  const common = dirname(dirname(gitFolder));
  const back = resolve(gitFolder, textOf(gitFolder, "gitdir").trim());
  const said = resolve(gitFolder, textOf(gitFolder, "commondir").trim());
  const isSame = (a: string, b: string) =>
    ifThere(a, () => realpathSync(a)) === ifThere(b, () => realpathSync(b));
  if (basename(dirname(gitFolder)) === "worktrees" && isSame(said, common)) {
    if (isSame(dirname(back), dirname(dotGit)) && basename(back) === ".git") return common;
    throw new NoRepository(
      dirname(dotGit),
      `"${dotGit}" points to "${gitFolder}", which is the work tree "${
        dirname(back)
      }"; "git worktree repair" sets a moved one right`,
    );
  }
  throw new NoRepository(
    dirname(dotGit),
    `"${join(gitFolder, "commondir")}" points to "${said}"; expected "${common}"`,
  );
}

/** Whether `core.worktree` names another work tree. */
function worksElsewhere(gitFolder: string, workTree: string): boolean {
  const named = lastOf(parseConfig(textOf(gitFolder, "config")), "core.worktree");
  if (named === undefined) return false;
  const path = resolve(gitFolder, Buffer.from(named, "latin1").toString("utf8"));
  return ifThere(path, () => realpathSync(path)) !== workTree;
}

const textOf = (folder: string, name: string): string =>
  new GitFolder(folder).read(name, MOST_POINTER_BYTES)?.toString("utf8") ?? "";
