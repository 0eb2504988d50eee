import { realpathSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { InputError } from "../../base/errors.ts";
import { type Config, lastOf, parseConfig } from "./local/config.ts";
import { findRepository, type Found } from "./local/find-repository.ts";
import { GitFolder } from "./local/git-folder.ts";
import { isOurs, refuseOthers } from "./local/owner.ts";

/** A repository on this machine. Its files are read directly: nothing in it is run, and git is not needed. */
export interface LocalSource {
  /** The folder the user named. */
  readonly path: string;
  /** The top of the work tree; undefined for a bare repository. */
  readonly workTree: string | undefined;
  /** Has this work tree's HEAD and index. */
  readonly gitFolder: GitFolder;
  /** Has refs, configuration and objects. Differs from `gitFolder` only in a linked work tree. */
  readonly commonFolder: GitFolder;
  /** This repository's object folders and those that it borrows from. */
  readonly objectFolders: readonly GitFolder[];
  /** A folder of ours with more objects, of this repository and of its submodules. */
  readonly ownObjects?: GitFolder | undefined;
  readonly objectFormat: "sha1" | "sha256";
  readonly config: Config;
  /** Whether this is a partial clone, whose objects may be missing here. */
  readonly isPartial: boolean;
}

const MOST_CONFIG_BYTES = 1024 * 1024;
const MOST_ALTERNATES = 20;
/** Same limit as git's. */
const MOST_BORROWING = 5;
/** Extensions of git that do not affect what is read here. */
const HARMLESS_EXTENSIONS = new Set([
  "noop",
  "noop-v1",
  "objectformat",
  "partialclone",
  "preciousobjects",
  "refstorage",
  "relativeworktrees",
  "worktreeconfig",
]);

/**
 * Opens the repository that a folder belongs to. Its data may come from somebody else, see docs/SECURITY.md:
 * no link is followed out of the git folder except those that git itself writes, and other users'
 * repositories are refused.
 *
 * Throws InputError if this is not a repository or is refused, and UnavailableError if it cannot be read.
 */
export async function openLocalSource(
  path: string,
  { environment }: { environment: Readonly<Record<string, string | undefined>> },
): Promise<LocalSource> {
  const found = findRepository(path);
  await refuseOthers(found.paths, { folder: found.workTree ?? found.gitFolder, environment });
  const gitFolder = new GitFolder(found.gitFolder);
  const commonFolder = found.commonFolder === found.gitFolder ? gitFolder : new GitFolder(found.commonFolder);
  const config = parseConfig(commonFolder.text("config", MOST_CONFIG_BYTES) ?? "");
  checkFormat(path, config);
  if (gitFolder.linkAt("HEAD") === undefined && gitFolder.kind("HEAD") === "nothing") {
    throw new InputError(`Cannot build ${path}: its git repository has no HEAD`);
  }
  return {
    path,
    workTree: found.workTree,
    gitFolder,
    commonFolder,
    objectFolders: findObjectFolders(commonFolder, found, environment),
    objectFormat: lastOf(config, "extensions.objectformat")?.toLowerCase() === "sha256" ? "sha256" : "sha1",
    config,
    isPartial: lastOf(config, "extensions.partialclone") !== undefined ||
      config.some(([key, value]) => /^remote\..*\.promisor$/s.test(key) && value !== "false"),
  };
}

/**
 * Returns the repository with the objects of one more folder, which is ours. Its submodules get them as well.
 */
export function withObjects(source: LocalSource, folder: string | undefined): LocalSource {
  if (folder === undefined) return source;
  const ownObjects = new GitFolder(folder);
  return { ...source, ownObjects, objectFolders: [ownObjects, ...source.objectFolders] };
}

/**
 * Returns this repository's object folders and those that it borrows from by `objects/info/alternates`. That
 * file makes us read other folders of the user. It is trusted only in the user's own repository, which has a
 * work tree outside any other repository (a clone never brings a `.git` folder), and only for folders of the
 * same user.
 */
function findObjectFolders(
  commonFolder: GitFolder,
  found: Found,
  environment: Readonly<Record<string, string | undefined>>,
): readonly GitFolder[] {
  const folders: GitFolder[] = [];
  const add = (folder: GitFolder, depth: number): void => {
    if (folders.some((known) => known.path === folder.path)) return;
    folders.push(folder);
    const file = folder.shown("info/alternates");
    const lines = (folder.text("info/alternates", MOST_CONFIG_BYTES) ?? "").split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => Buffer.from(line, "latin1").toString("utf8"));
    if (lines.length === 0) return;
    if (found.mayBorrow !== true) {
      throw new InputError(`Cannot build: "${file}" borrows objects, ${found.mayBorrow}`);
    }
    if (depth === MOST_BORROWING || folders.length + lines.length > MOST_ALTERNATES) {
      throw new InputError(
        `Cannot build: "${file}" borrows objects from more than ${MOST_ALTERNATES} repositories, or over more than ${MOST_BORROWING} of them`,
      );
    }
    for (const line of lines) {
      const path = isAbsolute(line) ? line : resolve(folder.path, line);
      add(new GitFolder(borrowed(path, file, environment)), depth + 1);
    }
  };
  add(commonFolder.sub("objects"), 0);
  return folders;
}

function borrowed(
  path: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  let folder: string;
  try {
    folder = realpathSync(path);
  } catch (cause) {
    throw new InputError(`Cannot build: "${file}" borrows objects from "${path}", which cannot be read`, {
      cause,
    });
  }
  if ([folder, dirname(folder)].every((one) => isOurs(one, environment))) return folder;
  throw new InputError(
    `Cannot build: "${file}" borrows objects from "${path}", which belongs to somebody else; "git repack -a" and removing that file make an own copy`,
  );
}

function checkFormat(path: string, config: Config): void {
  const version = Number(lastOf(config, "core.repositoryformatversion") ?? 0);
  const extensions = config.filter(([key]) => key.startsWith("extensions."));
  const unknown = extensions.find(([key]) => !HARMLESS_EXTENSIONS.has(key.slice("extensions.".length)));
  if (!(version <= 1) || (version === 1 && unknown)) {
    const what = unknown ? `the extension "${unknown[0].slice("extensions.".length)}"` : `version ${version}`;
    throw new InputError(
      `Cannot build ${path}: its repository has ${what} of git's format, which is not known here`,
    );
  }
  const storage = lastOf(config, "extensions.refstorage") ?? "files";
  if (storage !== "files") {
    throw new InputError(
      `Cannot build ${path}: its refs are stored as "${storage}"; expected files (git refs migrate --ref-format=files)`,
    );
  }
  const format = lastOf(config, "extensions.objectformat")?.toLowerCase() ?? "sha1";
  if (format !== "sha1" && format !== "sha256") {
    throw new InputError(
      `Cannot build ${path}: its objects are named by "${format}"; expected sha1 or sha256`,
    );
  }
}
