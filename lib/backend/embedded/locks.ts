import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { lstatIfThere, refuseLinks } from "../../base/files.ts";
import { isBusy } from "./explain.ts";

/** Held until it is disposed or the process ends in any way. */
export interface Lock extends Disposable {
  /** Deletes the file and releases the lock. */
  remove(): void;
}

/**
 * Takes the lock on a file of our own; undefined if it is held already, by this process or another.
 *
 * The lock is SQLite's on a database that stays empty, hence an operating system's lock that is released even
 * by `kill -9`. The file must not be opened in any other way: closing a second descriptor would release the
 * lock. SQLite itself handles that.
 */
export function takeLock(path: string): Lock | undefined {
  makeFile(path);
  refuseLinks(path);
  const sqlite = new DatabaseSync(path);
  try {
    // No journal file, since nothing is ever written. 100 ms is enough to wait for a process in `isLocked`.
    sqlite.exec("PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 100; BEGIN EXCLUSIVE");
  } catch (error) {
    sqlite.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  HELD.add(sqlite);
  const release = () => {
    if (HELD.delete(sqlite)) sqlite.close();
  };
  return {
    remove: () => {
      rmSync(path, { force: true });
      release();
    },
    [Symbol.dispose]: release,
  };
}

/**
 * Locks held by this process. Keeps the connections alive: a garbage-collected one would release its lock.
 */
const HELD = new Set<DatabaseSync>();

/** True while any process, including this one, holds the lock. */
export function isLocked(path: string): boolean {
  try {
    using sqlite = new DatabaseSync(path, { readOnly: true });
    // Deno otherwise waits five seconds for a lock, whatever its options say.
    sqlite.exec("PRAGMA busy_timeout = 0");
    sqlite.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    if (!lstatIfThere(path)) return false;
    throw error;
  }
}

/** Creates an empty file with mode 0600. An existing file is not opened. */
export function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
