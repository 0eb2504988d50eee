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

const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;
const MOST_INDEX_BYTES = 512 * 1024 * 1024;
const MOST_RULES_BYTES = 16 * 1024 * 1024;

/** A work tree with its index and commit as they were at one moment. */
export interface WorkTree {
  readonly path: string;
  readonly head: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly config: string;
  readonly objects: string;
  readonly objectFormat: string;
}

/** Remembers what a later look is compared with. Undefined for a bare repository, and one without commit or index. */
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
 * The files of a work tree that are changed, or new, and not committed, but for new ones in `own` folders; none where there
 * is no git here. The repository is not trusted, and `git status` runs what a repository's configuration
 * names (clean filters, a file system monitor). So git never sees that configuration: it gets a folder of ours for a
 * repository, with a configuration of ours and the index. Rejects where git fails, and when `signal` fires.
 */
export async function uncommittedFiles(
  workTree: WorkTree,
  { environment, own = [], signal }: {
    environment: Environment;
    own?: readonly string[];
    signal: AbortSignal;
  },
): Promise<string[]> {
  const git = await findProgram("git", environment);
  if (!git) return [];
  const folder = await mkdtemp(join(tmpdir(), "conveyor-status-"));
  // A command that is left at once does not wait for git.
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeAtExit);
  try {
    await standIn(folder, workTree, { environment, own });
    const { stdout } = await promisify(execFile)(git, STATUS, {
      cwd: workTree.path,
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
    return stdout.split("\0").filter((entry) => entry !== "").map((entry) => entry.slice(3));
  } finally {
    process.off("exit", removeAtExit);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of a submodule only its commit counts, which git reads without looking into the submodule's configuration. */
const STATUS = [
  "status",
  "--porcelain",
  "-z",
  "--no-renames",
  "--untracked-files=normal",
  "--ignore-submodules=dirty",
];

/** What says how files are compared. None of it names a program or a path. */
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

/** git's configuration with what a repository, or a user, says of comparing. */
function ownConfig(config: Config): string {
  return config.filter(([key, value]) => COMPARING.has(key) && /^[A-Za-z0-9]*$/.test(value))
    .map(([key, value]) => `[${key.split(".")[0]}]\n\t${key.split(".")[1]} = ${value}\n`).join("");
}

/** A repository with nothing but what git needs. */
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

/** Lines that make git ignore folders below a work tree. */
function excluding(workTree: string, folders: readonly string[]): string {
  const lines = folders.map((folder) => relative(workTree, real(resolve(folder))))
    .filter((below) => below !== "" && !below.startsWith("..") && !isAbsolute(below) && !below.includes("\n"))
    .map((below) => `/${below.replace(/[\\*?[\]!# ]/g, "\\$&")}/`);
  return ["", ...lines, ""].join("\n");
}

/** A path without links in the part of it that is there. */
function real(path: string): string {
  const found = ifThere(path, () => realpathSync(path));
  return found ??
    (dirname(path) === path ? path : join(real(dirname(path)), path.slice(dirname(path).length)));
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
