import { randomUUID } from "node:crypto";
import { constants, mkdtempSync, rmdirSync, statSync } from "node:fs";
import { lutimes, mkdir, open, rename, rm, symlink } from "node:fs/promises";
import { dirname, isAbsolute, join, posix, resolve, sep } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../base/errors.ts";
import { ifThere, lstatIfThere } from "../../base/files.ts";
import { NewFile } from "../../base/new-file.ts";
import { isFull } from "../../backend/embedded/explain.ts";
import type { ArtifactReader, StoredArtifact } from "../../backend/store.ts";

/** Number of files fetched and written at the same time. */
const AT_ONCE = 8;
/** From this size on a copy by the file system is worth its calls. */
const LARGE_BYTES = 1024 * 1024;

/**
 * Copies a run's artifacts into a folder, under their names, with their times and their permission bits, less
 * the umask. A link to another artifact becomes a symbolic link to that, relative. Replaces existing files
 * atomically. Never writes through a symbolic link: the names come from a build, and the folder may be in an
 * untrusted repository. Returns the number of files. Throws UnavailableError that names the file. Its hint is
 * `saveAgain`, the command that saves them again, without the folder.
 */
export async function saveArtifacts(
  artifacts: SavedFrom,
  run: string,
  folder: string,
  saveAgain?: string,
): Promise<number> {
  const kept = withLinksWithin(await artifacts.list(run));
  const folders = new Folders(folder);
  const failures: unknown[] = [];
  const waiting = kept.values();
  const worker = async () => {
    for (const artifact of waiting) {
      if (failures.length > 0) return;
      await save(artifacts, artifact, { run, folders, saveAgain }).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
  return kept.length;
}

/**
 * Throws InputError if artifacts could not be saved in this folder, as far as that can be seen before there
 * are any: something other than a folder is in its place, a relative path goes through a link, or nothing can
 * be written there.
 */
export function checkOutput(folder: string): void {
  if (isAbsolute(folder)) {
    const found = ifThere(folder, () => statSync(folder));
    if (found?.isDirectory() === false) {
      throw new InputError(`Invalid --output "${folder}": expected a folder`);
    }
    return checkWritable(folder);
  }
  let path = resolve(".");
  for (const segment of segmentsOf(folder)) {
    path = join(path, segment);
    if (kindOf(path) === "other") {
      throw new InputError(`Invalid --output "${folder}": "${path}" is not a folder`);
    }
  }
  checkWritable(folder);
}

/** Throws InputError if nothing can be made in the folder, or else in the closest one above it. */
function checkWritable(folder: string): void {
  let path = resolve(folder);
  while (!ifThere(path, () => statSync(path)) && path !== dirname(path)) path = dirname(path);
  try {
    // Deno's access() does not know of a read-only file system.
    rmdirSync(mkdtempSync(join(path, ".part-")));
  } catch (cause) {
    throw new InputError(`Invalid --output "${folder}": Cannot write to "${path}"`, { cause });
  }
}

export interface SavedFrom extends Pick<ArtifactReader, "open" | "copyTo"> {
  /** As of an ArtifactReader, with the links among them, as in `Artifact.link`. */
  list(run: string): Promise<Saved[]>;
}

type Saved = StoredArtifact & { readonly link?: string | undefined };

/**
 * Takes links to anything but a file of the set for files: what is saved leads nowhere else. So are links
 * that differ from their file in upper and lower case alone, which a folder may take for one name.
 */
function withLinksWithin(artifacts: readonly Saved[]): readonly Saved[] {
  const files = new Set(artifacts.filter(({ link }) => link === undefined).map(({ name }) => name));
  return artifacts.map(({ link, ...artifact }) =>
    link !== undefined && files.has(link) && !isOneName(link, artifact.name)
      ? { ...artifact, link }
      : artifact
  );
}

/** Whether some file systems have one file for both names. */
const isOneName = (a: string, b: string): boolean => caseless(a) === caseless(b);
const caseless = (name: string): string => name.normalize("NFC").toLowerCase();

async function save(
  artifacts: SavedFrom,
  { name, size, mode, mtime, link }: Saved,
  { run, folders, saveAgain }: { run: string; folders: Folders; saveAgain: string | undefined },
): Promise<void> {
  try {
    const segments = pathOf(name);
    const inside = await folders.provide(segments.slice(0, -1));
    const path = join(inside, segments.at(-1) ?? "");
    if (link !== undefined) {
      const target = posix.relative(posix.dirname(`/${name}`), `/${pathOf(link).join("/")}`);
      if (await linkTo(target, path)) return;
    }
    if (size >= LARGE_BYTES && artifacts.copyTo) {
      const copyTo = artifacts.copyTo.bind(artifacts, run, name);
      return await place(path, mtime, (part) => copy(copyTo, part, mode));
    }
    const bytes = await artifacts.open(run, name);
    if (!bytes) throw gone();
    await place(path, mtime, (part) => write(bytes, part, mode));
  } catch (error) {
    const hint = `It is kept with the run ${run}`;
    throw new UnavailableError(`Cannot save the artifact "${name}" in "${folders.top}": ${whyOf(error)}`, {
      hint: saveAgain === undefined ? hint : `${hint}. Fetch it again: ${saveAgain} -o DIR`,
    });
  }
}

/** Returns why a file could not be written, without the paths of the store and of unfinished files. */
function whyOf(error: unknown): string {
  if (isFull(error)) return "no space left there";
  return messageOf(error).replace(/^(E[A-Z0-9]+: [^,']+), \w+ '.*$/s, "$1");
}

function pathOf(name: string): string[] {
  const segments = name.split("/");
  if (segments.some((segment) => ["", ".", ".."].includes(segment)) || name.includes("\0")) {
    throw new Error("expected a path within the folder");
  }
  return segments;
}

const gone = (): Error => new Error("it is not there any more");

/** Makes a link atomically, and returns false where the file system has none. */
async function linkTo(target: string, path: string): Promise<boolean> {
  const part = partOf(path);
  try {
    await symlink(target, part);
  } catch {
    return false;
  }
  await replace(part, path);
  return true;
}

/**
 * Makes a file atomically, by way of a new one that `make` fills. Replaces a link of that name instead of
 * following it.
 */
async function place(
  path: string,
  mtime: number | undefined,
  make: (part: string) => Promise<void>,
): Promise<void> {
  const part = partOf(path);
  try {
    await make(part);
    if (mtime !== undefined) await lutimes(part, mtime, mtime);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await replace(part, path);
}

async function write(bytes: AsyncIterable<Uint8Array>, part: string, mode: number): Promise<void> {
  await using file = new NewFile(part, mode);
  for await (const chunk of bytes) await file.write(chunk);
  await file.end();
}

async function copy(
  copyTo: (path: string) => Promise<boolean>,
  part: string,
  mode: number,
): Promise<void> {
  const bits = await bitsOfNew(part, mode);
  if (!await copyTo(part)) throw gone();
  // The copy has the bits of the stored file.
  await using file = await open(part, constants.O_RDONLY | constants.O_NOFOLLOW);
  await file.chmod(bits);
}

/** Returns the permission bits that a file gets which is made with these: the umask takes some away. */
async function bitsOfNew(beside: string, mode: number): Promise<number> {
  const path = partOf(beside);
  await using file = await open(path, "wx", mode);
  await rm(path);
  return (await file.stat()).mode & 0o777;
}

const partOf = (path: string): string => join(path, "..", `.${randomUUID()}.part`);

async function replace(part: string, path: string): Promise<void> {
  try {
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    if (kindOf(path) === "folder") throw new Error(`"${path}" is a folder`);
    throw error;
  }
}

/** Creates the folder for artifacts and its subfolders, each once. */
class Folders {
  readonly top: string;
  readonly #made = new Map<string, Promise<string>>();

  constructor(top: string) {
    this.top = top;
  }

  /**
   * Creates a folder below `top` and returns its path. Throws if something other than a folder is in its
   * place.
   */
  provide(below: readonly string[]): Promise<string> {
    const key = below.join("/");
    let made = this.#made.get(key);
    if (!made) this.#made.set(key, made = this.#make(below));
    return made;
  }

  async #make(below: readonly string[]): Promise<string> {
    const name = below.at(-1);
    return name === undefined
      ? await makeTop(this.top)
      : await makeFolder(join(await this.provide(below.slice(0, -1)), name));
  }
}

/**
 * Creates the top folder. An absolute path was named by the user and is used as is. A relative path may go
 * through links from a repository, so each segment is checked.
 */
async function makeTop(folder: string): Promise<string> {
  let path = resolve(isAbsolute(folder) ? folder : ".");
  await mkdir(path, { recursive: true });
  if (isAbsolute(folder)) return path;
  for (const segment of segmentsOf(folder)) path = await makeFolder(join(path, segment));
  return path;
}

const segmentsOf = (folder: string): string[] =>
  folder.split(sep).filter((segment) => segment !== "" && segment !== ".");

async function makeFolder(path: string): Promise<string> {
  await mkdir(path).catch((error) => {
    if (error.code !== "EEXIST") throw error;
  });
  if (kindOf(path) !== "folder") throw new Error(`"${path}" is not a folder`);
  return path;
}

function kindOf(path: string): "folder" | "other" | undefined {
  const found = lstatIfThere(path);
  return found && (found.isDirectory() ? "folder" : "other");
}
