import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { lstatIfThere, refuseLinks } from "../../base/files.ts";
import { isBusy } from "./explain.ts";

/** Held until disposed or until the process is gone, however it went. */
export interface Lock extends Disposable {
  /** Removes the file, lock and all. */
  remove(): void;
}

/**
 * Takes the lock on a file of our own, or answers undefined while somebody holds it (this process included).
 *
 * It is SQLite's lock on a database that stays empty, hence the operating system's, which lets go of it at `kill -9`. The
 * file is never opened in any other way: closing a second descriptor would let go of the lock, and SQLite knows about that.
 */
export function takeLock(path: string): Lock | undefined {
  makeFile(path);
  refuseLinks(path);
  const sqlite = new DatabaseSync(path);
  try {
    // No journal file: nothing is ever written. 100 ms: long enough for somebody who only looks whether it is locked.
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

/** Locks that this process holds, whoever has forgotten about them: a collected connection would let go of its lock. */
const HELD = new Set<DatabaseSync>();

/** True while somebody, this process included, holds the lock. */
export function isLocked(path: string): boolean {
  try {
    using sqlite = new DatabaseSync(path, { readOnly: true });
    // Deno waits five seconds for a lock, whatever its options say.
    sqlite.exec("PRAGMA busy_timeout = 0");
    sqlite.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    if (!lstatIfThere(path)) return false;
    throw error;
  }
}

/** A file of our own, for nobody else to read, unless there is one. An existing one is not opened. */
export function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
