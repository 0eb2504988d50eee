import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../base/errors.ts";
import { ifThere, lstatIfThere } from "../../base/files.ts";
import type { ArtifactReader, StoredArtifact } from "../../backend/store.ts";

/** Number of files fetched and written at the same time. */
const AT_ONCE = 8;

/**
 * Copies a run's artifacts into a folder, under their names and with their permission bits, less the umask.
 * Replaces existing files atomically. Never writes through a symbolic link: the names come from a build, and
 * the folder may be in an untrusted repository. Returns the number of files. Throws UnavailableError that
 * names the file.
 */
export async function saveArtifacts(artifacts: SavedFrom, run: string, folder: string): Promise<number> {
  const kept = await artifacts.list(run);
  const folders = new Folders(folder);
  const failures: unknown[] = [];
  const waiting = kept.values();
  const worker = async () => {
    for (const artifact of waiting) {
      if (failures.length > 0) return;
      await save(artifacts, artifact, { run, folders }).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
  return kept.length;
}

/**
 * Throws InputError if artifacts could not be saved in this folder, as far as that can be seen before there are
 * any: something other than a folder is in its place, or a relative path goes through a link.
 */
export function checkOutput(folder: string): void {
  if (isAbsolute(folder)) {
    const found = ifThere(folder, () => statSync(folder));
    if (found?.isDirectory() === false) {
      throw new InputError(`Invalid --output "${folder}": expected a folder`);
    }
    return;
  }
  let path = resolve(".");
  for (const segment of segmentsOf(folder)) {
    path = join(path, segment);
    if (kindOf(path) === "other") {
      throw new InputError(`Invalid --output "${folder}": "${path}" is not a folder`);
    }
  }
}

type SavedFrom = Pick<ArtifactReader, "list" | "open">;

async function save(
  artifacts: SavedFrom,
  { name, mode }: StoredArtifact,
  { run, folders }: { run: string; folders: Folders },
): Promise<void> {
  try {
    const segments = name.split("/");
    if (segments.some((segment) => ["", ".", ".."].includes(segment)) || name.includes("\0")) {
      throw new Error("expected a path within the folder");
    }
    const bytes = await artifacts.open(run, name);
    if (!bytes) throw new Error("it is not there any more");
    const inside = await folders.provide(segments.slice(0, -1));
    await write(bytes, join(inside, segments.at(-1) ?? ""), mode);
  } catch (error) {
    throw new UnavailableError(
      `Cannot save the artifact "${name}" in "${folders.top}": ${messageOf(error)}`,
      {
        cause: error,
        hint: `It is kept with the run ${run} in the data folder`,
      },
    );
  }
}

/** Writes a file atomically. Replaces a link of that name instead of following it. */
async function write(bytes: AsyncIterable<Uint8Array>, path: string, mode: number): Promise<void> {
  const part = join(path, "..", `.${randomUUID()}.part`);
  try {
    {
      await using file = await open(part, "wx", mode);
      for await (const chunk of bytes) await file.writeFile(chunk);
    }
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
