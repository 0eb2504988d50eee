import { randomBytes, randomUUID } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { getuid } from "node:process";
import { UnavailableError } from "../../base/errors.ts";
import { lstatIfThere, refuseLinks } from "../../base/files.ts";
import type { Database } from "./database.ts";
import { makeFile } from "./locks.ts";
import { requireFolder, requireWritable } from "./require-writable.ts";

/** Absolute paths in a data folder. */
export interface DataFolder {
  readonly path: string;
  readonly database: string;
  readonly locks: string;
  readonly artifacts: { readonly whole: string; readonly partial: string };
  readonly sealKey: string;
  readonly reserve: string;
}

export function dataFolder(folder: string): DataFolder {
  const path = resolve(folder);
  return {
    path,
    database: join(path, "conveyor.db"),
    locks: join(path, "locks"),
    artifacts: { whole: join(path, "artifacts"), partial: join(path, "partial") },
    sealKey: join(path, "seal.key"),
    reserve: join(path, "reserve"),
  };
}

/**
 * Throws `UnavailableError` if the folder is a file, or if something in it is a symbolic link: the folder may
 * be in a tree that another user controls, and our reads and writes must stay in the folder.
 */
export function checkFolder({ path, database, locks, artifacts, sealKey, reserve }: DataFolder): void {
  requireFolder(path);
  const beside = ["-wal", "-shm", "-journal"].map((end) => database + end);
  refuseLinks(database, ...beside, locks, artifacts.whole, artifacts.partial, sealKey, reserve);
}

/**
 * Creates what is missing, accessible to our user only (folders 0700, files 0600). Throws `UnavailableError`
 * if the folder is unusable, can be changed by others, or contains symbolic links.
 */
export function prepareFolder(folder: DataFolder): void {
  try {
    mkdirSync(folder.path, { recursive: true, mode: 0o700 });
    checkFolder(folder);
    closeToOthers(folder);
    for (const path of [folder.locks, folder.artifacts.whole, folder.artifacts.partial]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
    makeFile(folder.database);
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    requireWritable(folder.path);
    throw new UnavailableError(`Cannot use "${folder.path}" as data folder`, {
      cause: error,
      hint: "Name another one with --data.",
    });
  }
}

/** Returns the installation's key and creates it once; safe if several processes do so at once. */
export function sealKeyOf(folder: DataFolder, database: Database): Uint8Array {
  if (!lstatIfThere(folder.sealKey)) {
    database.write(() => {
      if (!lstatIfThere(folder.sealKey)) writeWhole(folder.sealKey, randomBytes(KEY_BYTES));
    });
  }
  const key = readFileSync(folder.sealKey);
  if (key.length !== KEY_BYTES) {
    throw new UnavailableError(
      `Cannot use "${folder.sealKey}": it has ${key.length} bytes, expected ${KEY_BYTES}`,
      { hint: "Put the right key there, or use another data folder." },
    );
  }
  return key;
}

const KEY_BYTES = 32;

/** Sets mode 0700 on an existing folder if it is empty or already ours. */
function closeToOthers({ path, database }: DataFolder): void {
  const { mode, uid } = statSync(path);
  if ((mode & 0o077) === 0) return;
  const isOurs = uid === getuid?.();
  if (isOurs && (lstatIfThere(database) || readdirSync(path).length === 0)) return chmodSync(path, 0o700);
  if ((mode & 0o022) === 0) return;
  throw new UnavailableError(
    `Cannot use "${path}" as data folder: others may write to it, expected one that only you can change`,
    { hint: "Name another one with --data." },
  );
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const partial = `${path}.${randomUUID()}`;
  try {
    writeFileSync(partial, bytes, { flag: "wx", mode: 0o600 });
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
