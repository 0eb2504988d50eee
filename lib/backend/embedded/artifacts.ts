import { createHash, randomUUID } from "node:crypto";
import { constants, copyFile, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StatementSync } from "node:sqlite";
import { InputError } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import { NewFile } from "../../base/new-file.ts";
import { abortable } from "../../base/signals.ts";
import { checkBlobName } from "../shared/checks.ts";
import { mtimeField, USUAL_MODE } from "../../wire/run.ts";
import type { ArtifactReader, StoredArtifact } from "../store.ts";
import type { Database } from "./database.ts";
import { explain } from "./explain.ts";
import { UnreadableError } from "./set-aside.ts";
import type { Lifetime } from "./lifetime.ts";

/**
 * Folders of the artifacts in the data folder. Files are `whole/<run>/<random>`; only the database knows
 * their names.
 */
export interface ArtifactFolders {
  readonly whole: string;
  /** Files still being written, with a folder for each scope. */
  readonly partial: string;
}

/** The artifacts of all runs. */
export class ArtifactTable {
  readonly #database: Database;
  readonly #folders: ArtifactFolders;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #list: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: Database, folders: ArtifactFolders) {
    this.#database = database;
    this.#folders = folders;
    this.#find = database.prepare(`SELECT file, ${FACTS} FROM artifacts WHERE run = ? AND name = ?`);
    this.#put = database.prepare(
      `INSERT INTO artifacts (run, name, size, sha256, file, mode, mtime) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE
       SET size = excluded.size, sha256 = excluded.sha256, file = excluded.file, mode = excluded.mode,
         mtime = excluded.mtime`,
    );
    this.#list = database.prepare(`SELECT ${FACTS} FROM artifacts WHERE run = ? ORDER BY name`);
    this.#remove = database.prepare("DELETE FROM artifacts WHERE run = ?");
  }

  /** As `Transport.putBlob`. */
  async put(
    scope: string,
    run: string,
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    { signal, mode = USUAL_MODE, mtime }: {
      signal: AbortSignal;
      mode?: number | undefined;
      mtime?: number | undefined;
    },
  ): Promise<{ size: number; sha256: string }> {
    checkBlobName(run, name);
    signal.throwIfAborted();
    const file = randomUUID();
    const partial = join(this.#folders.partial, scope, file);
    try {
      const facts = await writeFile(partial, bytes, signal);
      await this.#moveIn(partial, run, file);
      const replaced = await this.#register(run, { name, file, mode, ...mtimeField(mtime), ...facts });
      if (replaced !== undefined) await rm(this.#pathOf(run, replaced), { force: true });
      return facts;
    } catch (error) {
      await rm(partial, { force: true });
      if (!this.#isRegistered(run, name, file)) await rm(this.#pathOf(run, file), { force: true });
      throw explain(error);
    }
  }

  /** Removes a run's artifacts, the files first, so that an interrupted removal can be repeated. */
  async remove(run: string): Promise<void> {
    checkBlobName(run, "any");
    await rm(join(this.#folders.whole, run), { recursive: true, force: true });
    this.#database.run(() => this.#remove.run(run));
  }

  reader(lifetime: Lifetime): ArtifactReader {
    return {
      list: (run) => lifetime.call(() => this.#database.run(() => this.#list.all(run)).map(storedOf)),
      find: (run, name) =>
        lifetime.call(() => {
          const row = this.#database.run(() => this.#find.get(run, name));
          return row && storedOf(row);
        }),
      open: (run, name) =>
        lifetime.call(() => {
          const found = this.#fileOf(run, name);
          return found && read(this.#pathOf(run, found.file), found.size);
        }),
      copyTo: (run, name, path) =>
        lifetime.call(async () => {
          const found = this.#fileOf(run, name);
          if (!found) return false;
          const { COPYFILE_EXCL, COPYFILE_FICLONE } = constants;
          await copyFile(this.#pathOf(run, found.file), path, COPYFILE_EXCL | COPYFILE_FICLONE);
          return true;
        }),
    };
  }

  async #moveIn(partial: string, run: string, file: string): Promise<void> {
    try {
      return await rename(partial, this.#pathOf(run, file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    // The run's first artifact.
    await mkdir(join(this.#folders.whole, run), { recursive: true, mode: 0o700 });
    await rename(partial, this.#pathOf(run, file));
  }

  /**
   * Stores the entry and returns the file that had the name before. Throws if the file is gone, because the
   * run was removed after it was moved in.
   */
  #register(
    run: string,
    { name, size, sha256, file, mode, mtime }: StoredArtifact & { file: string },
  ): Promise<string | undefined> {
    return this.#database.writeSoon(() => {
      // `remove` deletes entries after files, so it also deletes an entry whose file it removes after this.
      if (!lstatIfThere(this.#pathOf(run, file))) {
        throw new InputError(`Cannot store artifact "${name}": run "${run}" was removed meanwhile`);
      }
      const before = this.#find.get(run, name)?.["file"];
      this.#put.run(run, name, size, sha256, file, mode, mtime ?? null);
      return before !== undefined && OWN_NAME.test(String(before)) ? String(before) : undefined;
    });
  }

  #isRegistered(run: string, name: string, file: string): boolean {
    return this.#fileOf(run, name)?.file === file;
  }

  #fileOf(run: string, name: string): { file: string; size: number } | undefined {
    const row = this.#database.run(() => this.#find.get(run, name));
    if (!row) return undefined;
    const file = String(row["file"]);
    if (OWN_NAME.test(file)) return { file, size: Number(row["size"]) };
    // Another program has changed the entry, to make us read or remove a file of its choice.
    throw new UnreadableError(`The file of artifact "${name}" of run "${run}" has no name of ours`);
  }

  #pathOf(run: string, file: string): string {
    return join(this.#folders.whole, run, file);
  }
}

/** The format of `randomUUID`. */
const OWN_NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const FACTS = "name, size, sha256, mode, mtime";

function storedOf(row: Record<string, unknown>): StoredArtifact {
  const { name, size, sha256, mode, mtime } = row;
  return {
    name: String(name),
    size: Number(size),
    sha256: String(sha256),
    mode: Number(mode),
    ...mtimeField(mtime),
  };
}

async function writeFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  let size = 0;
  await using file = new NewFile(path, 0o600);
  for await (const chunk of until(signal, bytes)) {
    await file.write(chunk);
    hash.update(chunk);
    size += chunk.length;
  }
  await file.end();
  return { size, sha256: hash.digest("hex") };
}

/**
 * Yields the source's chunks and closes the source at the end. Throws the signal's reason when it fires, even
 * while waiting for a chunk.
 */
async function* until(signal: AbortSignal, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = bytes[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await abortable(source.next(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    // Not awaited: a source that is waiting for its next chunk would return only after that.
    source.return?.().catch(() => {});
  }
}

/** Yields the bytes of a file that has this size. */
async function* read(path: string, size: number): AsyncGenerator<Uint8Array> {
  if (size === 0) return;
  if (size <= READ_BYTES) return yield await readFile(path);
  const handle = await open(path, "r");
  try {
    for (let left = size; left > 0;) {
      const length = Math.min(READ_BYTES, left);
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length);
      if (bytesRead === 0) return;
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

const READ_BYTES = 256 * 1024;
