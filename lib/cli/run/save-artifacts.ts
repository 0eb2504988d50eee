import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import type { ArtifactReader } from "../../backend/store.ts";

/**
 * Copies a run's artifacts into a folder, under their names; files that are there are replaced. Answers how many. Their
 * names come from a build, and the folder may lie in a repository that is not trusted: nothing is written through a
 * symbolic link. Throws UnavailableError that names the file.
 */
export async function saveArtifacts(artifacts: ArtifactReader, run: string, folder: string): Promise<number> {
  const kept = await artifacts.list(run);
  for (const { name } of kept) {
    try {
      const bytes = await artifacts.open(run, name);
      if (!bytes) throw new Error("it is not there any more");
      await save(bytes, folder, name);
    } catch (error) {
      throw new UnavailableError(`Cannot save the artifact "${name}" in "${folder}": ${messageOf(error)}`, {
        cause: error,
        hint: `It is kept with the run ${run} in the data folder`,
      });
    }
  }
  return kept.length;
}

async function save(bytes: AsyncIterable<Uint8Array>, folder: string, name: string): Promise<void> {
  const segments = name.split("/");
  if (segments.some((segment) => ["", ".", ".."].includes(segment)) || name.includes("\0")) {
    throw new Error("expected a path within the folder");
  }
  const inside = await makeFolders(folder, segments.slice(0, -1));
  // Whole or not at all, and never through a link that has the file's name.
  const part = join(inside, `.${randomUUID()}.part`);
  try {
    await using file = await open(part, "wx");
    for await (const chunk of bytes) await file.writeFile(chunk);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await rename(part, join(inside, segments.at(-1) ?? ""));
}

/**
 * The output folder and one below it, made where they are missing. Of an absolute output folder only what lies below it
 * is looked at: that was named by the user; a relative one may be led astray by what a repository has put there.
 */
async function makeFolders(folder: string, below: readonly string[]): Promise<string> {
  const segments = isAbsolute(folder)
    ? []
    : folder.split(sep).filter((segment) => segment !== "" && segment !== ".");
  let path = resolve(isAbsolute(folder) ? folder : ".");
  await mkdir(path, { recursive: true });
  for (const segment of [...segments, ...below]) {
    path = join(path, segment);
    await mkdir(path).catch((error) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!(await lstat(path)).isDirectory()) throw new Error(`"${path}" is not a folder`);
  }
  return path;
}
