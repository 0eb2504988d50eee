import { execFile } from "node:child_process";
import { access, constants, copyFile, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { LocalSource } from "../../build/git/local-source.ts";
import type { Environment } from "../environment.ts";

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * The files of a work tree that are changed, or new, and not committed; none where there is no git here, or it cannot
 * tell. The repository is not trusted, and `git status` runs what a repository's configuration names (clean filters, a
 * file system monitor). So git never sees that configuration: it gets a folder of ours for a repository, with a
 * configuration of ours, the index, and links to refs and objects. Rejects with `signal.reason`.
 */
export async function uncommittedFiles(
  source: LocalSource,
  { environment, signal }: { environment: Environment; signal: AbortSignal },
): Promise<string[]> {
  const git = await findProgram("git", environment);
  const workTree = await workTreeOf(source);
  if (!git || workTree === undefined) return [];
  const folder = await mkdtemp(join(tmpdir(), "conveyor-status-"));
  try {
    await standIn(folder, source);
    const { stdout } = await promisify(execFile)(git, STATUS, {
      cwd: workTree,
      signal,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: {
        PATH: dirname(git),
        HOME: environment.HOME,
        XDG_CONFIG_HOME: environment.XDG_CONFIG_HOME,
        LC_ALL: "C",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_OPTIONAL_LOCKS: "0",
        GIT_DIR: folder,
        GIT_WORK_TREE: workTree,
        GIT_OBJECT_DIRECTORY: join(source.commonFolder, "objects"),
      },
    });
    return stdout.split("\0").filter((entry) => entry !== "").map((entry) => entry.slice(3));
  } catch {
    signal.throwIfAborted();
    return [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Undefined for a bare repository. */
async function workTreeOf({ gitFolder, commonFolder }: LocalSource): Promise<string | undefined> {
  if (basename(gitFolder) === ".git") return dirname(gitFolder);
  if (gitFolder === commonFolder) return undefined;
  // A linked work tree: its git folder says where its ".git" file is.
  return dirname(resolve(gitFolder, (await readFile(join(gitFolder, "gitdir"), "utf8")).trim()));
}

/** Submodules are repositories of their own, with a configuration of their own: git must not look into them. */
const STATUS = [
  "status",
  "--porcelain",
  "-z",
  "--no-renames",
  "--untracked-files=normal",
  "--ignore-submodules=all",
];

/** What git needs of a repository, without its configuration. */
async function standIn(
  folder: string,
  { gitFolder, commonFolder, objectFormat }: LocalSource,
): Promise<void> {
  const format = objectFormat === "sha1"
    ? "[core]\n\trepositoryformatversion = 0\n"
    : `[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = ${objectFormat}\n`;
  await Promise.all([
    writeFile(join(folder, "config"), format),
    copyFile(join(gitFolder, "HEAD"), join(folder, "HEAD")),
    copyFile(join(gitFolder, "index"), join(folder, "index")),
    ...["refs", "packed-refs", "info"].map((name) => symlink(join(commonFolder, name), join(folder, name))),
  ]);
}

/** A program of PATH, whose folders must be absolute: what lies in the folder we stand in is not ours to run. */
async function findProgram(name: string, { PATH = "" }: Environment): Promise<string | undefined> {
  for (const folder of PATH.split(delimiter)) {
    const path = join(folder, name);
    if (isAbsolute(folder) && await canRun(path)) return path;
  }
  return undefined;
}

async function canRun(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
