import { execFile } from "node:child_process";
import { realpathSync, rmSync } from "node:fs";
import { access, constants, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { ifThere } from "../../../base/files.ts";
import { type Config, lastOf } from "../../../build/git/local/config.ts";
import { userConfig } from "../../../build/git/local/owner.ts";
import { resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import type { LocalSource } from "../../../build/git/local-source.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";

/** A file that is not as the commit has it. */
export interface Changed {
  readonly path: string;
  /** Whether it is no longer in the index. Something may stand there all the same. */
  readonly isRemoved: boolean;
}

const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;
const MOST_INDEX_BYTES = 512 * 1024 * 1024;
const MOST_RULES_BYTES = 16 * 1024 * 1024;

/** A snapshot of a work tree's index and commit. */
export interface WorkTree {
  readonly path: string;
  readonly head: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly config: string;
  readonly objects: string;
  readonly objectFormat: string;
}

/**
 * Takes the snapshot that a later comparison needs. Undefined for a bare repository, and for one without a
 * commit or index.
 */
export function snapshotWorkTree(source: LocalSource): WorkTree | undefined {
  const { workTree, gitFolder, commonFolder, objectFormat, config } = source;
  const head = workTree === undefined ? undefined : resolveCommit(source, undefined);
  const index = head && gitFolder.read("index", MOST_INDEX_BYTES);
  if (workTree === undefined || !head || !index) return undefined;
  const files = new Map<string, Uint8Array>([["index", index]]);
  for (const name of gitFolder.names("").filter((name) => name.startsWith("sharedindex."))) {
    files.set(name, gitFolder.read(name, MOST_INDEX_BYTES) ?? new Uint8Array());
  }
  const rules = [["info/exclude", commonFolder], ["info/attributes", commonFolder], [
    "info/sparse-checkout",
    gitFolder,
  ]] as const;
  for (const [name, folder] of rules) {
    const bytes = folder.read(name, MOST_RULES_BYTES);
    if (bytes) files.set(name, bytes);
  }
  return {
    path: workTree,
    head: head.commit,
    files,
    config: ownConfig(config),
    objects: `${commonFolder.path}/objects`,
    objectFormat,
  };
}

/**
 * Returns a work tree's changed and new files that are not committed, without new ones in `own` folders.
 * Empty if git is not installed. `git status` runs programs that a repository's configuration names (clean
 * filters, a file system monitor), and the repository is not trusted. So git never sees that configuration:
 * it uses a folder of ours as the repository, with our configuration and the index. Rejects if git fails or
 * `signal` fires.
 */
export async function uncommittedFiles(
  workTree: WorkTree,
  { environment, own = [], signal }: {
    environment: Environment;
    own?: readonly string[];
    signal: AbortSignal;
  },
): Promise<string[]> {
  const paths = await changedFiles(workTree, { environment, own, untracked: "normal", signal });
  return (paths ?? []).map(({ path }) => Buffer.from(path, "latin1").toString("utf8"));
}

/**
 * As `uncommittedFiles`, as Latin-1 text of the paths' bytes; undefined if git is not installed. `untracked`:
 * a new folder is one path (`normal`), or each file in it is (`all`).
 */
export async function changedFiles(
  workTree: WorkTree,
  { environment, own = [], untracked, signal }: {
    environment: Environment;
    own?: readonly string[];
    untracked: "normal" | "all";
    signal: AbortSignal;
  },
): Promise<Changed[] | undefined> {
  const git = await findProgram("git", environment);
  if (!git) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "conveyor-status-"));
  // If the process exits early, it does not wait for git.
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeAtExit);
  try {
    await standIn(folder, workTree, { environment, own });
    const { stdout } = await promisify(execFile)(git, [...STATUS, `--untracked-files=${untracked}`], {
      cwd: workTree.path,
      encoding: "latin1",
      signal,
      maxBuffer: MOST_OUTPUT_BYTES,
      env: {
        PATH: dirname(git),
        HOME: environment.HOME,
        XDG_CONFIG_HOME: environment.XDG_CONFIG_HOME,
        LC_ALL: "C",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_OPTIONAL_LOCKS: "0",
        GIT_DIR: folder,
        GIT_WORK_TREE: workTree.path,
        GIT_OBJECT_DIRECTORY: workTree.objects,
      },
    });
    return stdout.split("\0").filter((entry) => entry !== "")
      .map((entry) => ({ path: entry.slice(3), isRemoved: entry.startsWith("D  ") }));
  } finally {
    process.off("exit", removeAtExit);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Only the commit of a submodule is compared: git reads it without the submodule's configuration. */
const STATUS = [
  "status",
  "--porcelain",
  "-z",
  "--no-renames",
  "--ignore-submodules=dirty",
];

/** Keys that control how files are compared. None of them names a program or a path. */
const COMPARING = new Set([
  "core.autocrlf",
  "core.checkstat",
  "core.eol",
  "core.filemode",
  "core.ignorecase",
  "core.precomposeunicode",
  "core.sparsecheckout",
  "core.sparsecheckoutcone",
  "core.symlinks",
  "core.trustctime",
  "index.sparse",
]);

/** Returns git's configuration with only the keys of a repository, or a user, that control comparing. */
function ownConfig(config: Config): string {
  return config.filter(([key, value]) => COMPARING.has(key) && /^[A-Za-z0-9]*$/.test(value))
    .map(([key, value]) => `[${key.split(".")[0]}]\n\t${key.split(".")[1]} = ${value}\n`).join("");
}

/** Creates a minimal repository for `git status`. */
async function standIn(
  folder: string,
  { path, head, files, config, objectFormat }: WorkTree,
  { environment, own }: { environment: Environment; own: readonly string[] },
): Promise<void> {
  const users = await userConfig(environment);
  const format = objectFormat === "sha1"
    ? "[core]\n\trepositoryformatversion = 0\n"
    : `[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = ${objectFormat}\n`;
  await Promise.all([mkdir(join(folder, "refs")), mkdir(join(folder, "info"))]);
  const ignored = lastOf(users, "core.excludesfile");
  const ignoring = ignored === undefined ? "" : `[core]\n\texcludesFile = ${JSON.stringify(ignored)}\n`;
  const exclude = Buffer.from(files.get("info/exclude") ?? "");
  await Promise.all([
    writeFile(join(folder, "config"), ownConfig(users) + config + ignoring + format),
    writeFile(join(folder, "HEAD"), `${head}\n`),
    ...[...files].map(([name, bytes]) => writeFile(join(folder, name), bytes)),
  ]);
  await writeFile(join(folder, "info/exclude"), Buffer.concat([exclude, Buffer.from(excluding(path, own))]));
}

/** Returns exclude rules for folders below a work tree. */
function excluding(workTree: string, folders: readonly string[]): string {
  const lines = folders.map((folder) => relative(workTree, real(resolve(folder))))
    .filter((below) => below !== "" && !below.startsWith("..") && !isAbsolute(below) && !below.includes("\n"))
    .map((below) => `/${below.replace(/[\\*?[\]!# ]/g, "\\$&")}/`);
  return ["", ...lines, ""].join("\n");
}

/** Resolves the links in the existing part of a path. */
function real(path: string): string {
  const found = ifThere(path, () => realpathSync(path));
  return found ??
    (dirname(path) === path ? path : join(real(dirname(path)), path.slice(dirname(path).length)));
}

/** Finds a program in PATH. Relative folders do not count: programs in the current folder are not trusted. */
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
