import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import type { ArtifactReader, StoredArtifact } from "../../backend/store.ts";

/** Files that are fetched and written at the same time. */
const AT_ONCE = 8;

/**
 * Copies a run's artifacts into a folder, under their names and with their permission bits, less the umask; files that are
 * there are replaced, each at once. Their names come from a build, and the folder may lie in a repository that is not trusted:
 * nothing is written through a symbolic link. Answers how many. Throws UnavailableError that
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

/** Whole or not at all, and in the place of a link that has the file's name, never through it. */
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

/** The folder for artifacts and those below it, each made once. */
class Folders {
  readonly top: string;
  readonly #made = new Map<string, Promise<string>>();

  constructor(top: string) {
    this.top = top;
  }

  /** The path of the folder below `top` of these names. Throws where something else than a folder is in its place. */
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
 * An absolute folder was named by the user and is taken as it is; what a relative one goes through may have been put there by
 * a repository.
 */
async function makeTop(folder: string): Promise<string> {
  let path = resolve(isAbsolute(folder) ? folder : ".");
  await mkdir(path, { recursive: true });
  if (isAbsolute(folder)) return path;
  for (const segment of folder.split(sep)) {
    if (segment !== "" && segment !== ".") path = await makeFolder(join(path, segment));
  }
  return path;
}

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
