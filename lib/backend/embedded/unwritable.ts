import { statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { UnavailableError } from "../../base/errors.ts";
import { ifThere } from "../../base/files.ts";
import { requireWritable } from "./require-writable.ts";

/** A connection to a database whose folder cannot be written to. */
export interface Unwritable {
  readonly sqlite: DatabaseSync;
  /** Throws `UnavailableError` if what was read since the opening may be wrong. */
  check(): void;
  /** Throws `UnavailableError`, which says why nothing can be written. */
  refuse(): never;
}

/**
 * Opens a database that this process cannot write to; undefined if it cannot be read either.
 *
 * SQLite reads it as ever if its log and the log's index are there (`-wal`, `-shm`), and takes no notice of
 * the log with `immutable`. That is right only for a database without both: the last process that closed it
 * has removed them. Somebody for whom the folder can be written to may begin to change it, so the caller has
 * to check what it has read. A log without its index cannot be read, an index without its log means that
 * rows may be missing, and a journal is left by a process that was killed while it made the database.
 */
export function openUnwritable(path: string): Unwritable | undefined {
  const refuse = () => {
    requireWritable(dirname(path));
    throw new UnavailableError(`Cannot write to "${path}": its folder was read-only when it was opened`, {
      hint: "Try again.",
    });
  };
  const [log, index] = [sizeOf(`${path}-wal`), sizeOf(`${path}-shm`)];
  if (log !== undefined) {
    return index === undefined
      ? undefined
      : { sqlite: new DatabaseSync(path, { readOnly: true }), check() {}, refuse };
  }
  if (index !== undefined || sizeOf(`${path}-journal`) !== undefined) return undefined;
  const url = pathToFileURL(path);
  url.search = "?immutable=1";
  const before = stateOf(path);
  return {
    sqlite: new DatabaseSync(url, { readOnly: true }),
    refuse,
    check() {
      if (sizeOf(`${path}-wal`) === undefined && stateOf(path) === before) return;
      throw new UnavailableError(`Cannot use "${path}": another process has changed it while it was read`, {
        hint: "Try again.",
      });
    },
  };
}

const sizeOf = (path: string): number | undefined => ifThere(path, () => statSync(path))?.size;

/**
 * Returns what differs after a change of the file. A change that keeps the size is not seen within one tick
 * of the file system's clock, or within the same millisecond on a runtime that has no finer times.
 */
function stateOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}
