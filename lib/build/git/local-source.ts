import { readdir, readFile, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { InputError } from "../../base/errors.ts";

/** A repository on this machine, as files: read, never run, and no git is needed here. */
export interface LocalSource {
  /** The folder the user named. */
  readonly path: string;
  /** Where this work tree's HEAD is. */
  readonly gitFolder: string;
  /** Where refs, configuration and objects are; the same but for a linked work tree. */
  readonly commonFolder: string;
  /** This repository's objects and those it borrows. */
  readonly objectFolders: readonly string[];
  /** `sha1` or `sha256`. */
  readonly objectFormat: string;
}

const MAX_ALTERNATES = 20;

/**
 * Finds the repository that a folder belongs to, as git does: `.git` there or in a parent, a `.git` file that points
 * elsewhere, a bare repository. Throws InputError where there is none or its form cannot be packed up, with the reason.
 */
export async function openLocalSource(path: string): Promise<LocalSource> {
  const top = resolve(path);
  const gitFolder = await findGitFolder(top, path);
  const commonFolder = await findCommonFolder(gitFolder);
  const config = parseConfig(await read(join(commonFolder, "config")));
  refuseUnsupported(path, config);
  const objectFolders = await findObjectFolders(join(commonFolder, "objects"));
  for (const folder of objectFolders) {
    if ((await names(join(folder, "pack"))).some((name) => name.endsWith(".promisor"))) {
      throw partial(path);
    }
  }
  const head = await read(join(gitFolder, "HEAD"));
  if (head.trim() === "") throw new InputError(`Cannot build ${path}: its git repository has no HEAD`);
  return {
    path,
    gitFolder,
    commonFolder,
    objectFolders,
    objectFormat: config.get("extensions.objectformat")?.toLowerCase() ?? "sha1",
  };
}

async function findGitFolder(top: string, shown: string): Promise<string> {
  const kind = await kindOf(top);
  if (kind !== "folder") {
    const what = kind === "nothing" ? "does not exist" : "is not a folder";
    throw new InputError(`Cannot build ${JSON.stringify(shown)}: it ${what}; expected a git repository`);
  }
  for (let folder = top;; folder = resolve(folder, "..")) {
    const dotGit = join(folder, ".git");
    const found = await kindOf(dotGit);
    if (found === "folder" && await isGitFolder(dotGit)) return dotGit;
    if (found === "file") return await followGitFile(dotGit);
    if (await isGitFolder(folder)) return folder;
    if (resolve(folder, "..") === folder) break;
  }
  throw new InputError(`Cannot build ${JSON.stringify(shown)}: it is not in a git repository`);
}

async function isGitFolder(folder: string): Promise<boolean> {
  return await kindOf(join(folder, "HEAD")) === "file" &&
    (await kindOf(join(folder, "objects")) === "folder" ||
      await kindOf(join(folder, "commondir")) === "file");
}

/** A linked work tree or a submodule: `gitdir: <path>`. */
async function followGitFile(file: string): Promise<string> {
  const target = /^gitdir: (.+)$/m.exec(await read(file))?.[1]?.trim();
  const folder = target && resolve(file, "..", target);
  if (folder && await isGitFolder(folder)) return folder;
  throw new InputError(
    `Cannot build: ${file} points to ${JSON.stringify(target ?? "")}, which is no git folder`,
  );
}

async function findCommonFolder(gitFolder: string): Promise<string> {
  const common = (await read(join(gitFolder, "commondir"))).trim();
  return common === "" ? gitFolder : resolve(gitFolder, common);
}

/** Objects borrowed from other repositories, and what those borrow. */
async function findObjectFolders(own: string): Promise<string[]> {
  const folders: string[] = [];
  const waiting = [own];
  for (let folder = waiting.shift(); folder !== undefined; folder = waiting.shift()) {
    if (folders.includes(folder)) continue;
    if (folders.length > MAX_ALTERNATES) {
      throw new InputError(
        `Cannot build: ${own} borrows objects from more than ${MAX_ALTERNATES} repositories`,
      );
    }
    folders.push(folder);
    for (const line of (await read(join(folder, "info", "alternates"))).split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      waiting.push(isAbsolute(line) ? line : resolve(folder, line));
    }
  }
  return folders;
}

function refuseUnsupported(path: string, config: ReadonlyMap<string, string>): void {
  const isPromisor = [...config].some(([key, value]) =>
    /^remote\..*\.promisor$/.test(key) && value !== "false"
  );
  if (config.has("extensions.partialclone") || isPromisor) throw partial(path);
  const storage = config.get("extensions.refstorage") ?? "files";
  if (storage !== "files") {
    throw new InputError(`Cannot build ${path}: its refs are stored as "${storage}"; expected files`);
  }
}

function partial(path: string): InputError {
  return new InputError(
    `Cannot build ${path}: it is a partial clone, whose missing objects only its remote has; expected a full or shallow clone`,
  );
}

/** `section.key` and `section.subsection.key` in lower case (but for the subsection), the last value of each. */
function parseConfig(text: string): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n")) {
    const header = /^\s*\[([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(line);
    if (header) section = header[1]?.toLowerCase() + (header[2] === undefined ? "" : `.${header[2]}`);
    const entry = /^(?:\s*\[.*?\])?\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*?))?\s*$/.exec(line);
    if (entry) {
      entries.set(`${section}.${entry[1]?.toLowerCase()}`, entry[2]?.replace(/^"|"$/g, "") ?? "true");
    }
  }
  return entries;
}

async function kindOf(path: string): Promise<"file" | "folder" | "nothing"> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? "folder" : "file";
  } catch {
    return "nothing";
  }
}

/** A file's text; empty where there is none. */
async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
