import { Retryable } from "../../base/errors.ts";

/** SQLite's result codes (https://sqlite.org/rescode.html). */
const BUSY = 5;
const FULL = 13;
/**
 * Errors of writing, syncing, truncating and growing the shared memory: an exhausted quota or a size limit.
 */
const CANNOT_GROW = [778, 1034, 1546, 4874];
/** Error codes of the operating system for lack of space. */
const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG"];
/** The same in Deno's messages, which have no code for the last two (Linux's numbers). */
const NO_ROOM_IN_DENO = /\(os error (28|122|27)\)$/;

/** Part of the database file is corrupt: a broken disk, or another program changed it. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = [11, 26];

/** Deno's `exec` sets no error code, so check the text too. */
function isDamaged(error: unknown): boolean {
  return DAMAGED.includes(codeOf(error) & 0xff) ||
    /^(database disk image is malformed|file is not a database)/.test(textOf(error));
}

/**
 * Translates an error: `DamagedError` if the file is corrupt, `Retryable` if there is no space or the
 * database is locked; others are returned unchanged.
 */
export function explain(error: unknown): unknown {
  if (error instanceof Retryable) return error;
  if (isFull(error)) {
    return new Retryable("Cannot write to the data folder: no space left", {
      reason: "disk-full",
      cause: error,
    });
  }
  if (isBusy(error)) {
    return new Retryable("Cannot write to the data folder: another process does not let go of the database", {
      reason: "transport-unreachable",
      cause: error,
    });
  }
  if (isDamaged(error)) {
    return new DamagedError(`The database is damaged: ${textOf(error)}`, { cause: error });
  }
  return error;
}

/** Deno's `exec` sets no error code, only SQLite's text. */
export function isBusy(error: unknown): boolean {
  return (codeOf(error) & 0xff) === BUSY || /^database (table )?is locked/.test(textOf(error));
}

/** True if a write failed for lack of space. */
export function isFull(error: unknown): boolean {
  const code = codeOf(error);
  const text = textOf(error);
  return code === FULL || CANNOT_GROW.includes(code) || text === "database or disk is full" ||
    NO_ROOM_IN_DENO.test(text) ||
    (error instanceof Error && "code" in error && NO_ROOM.includes(String(error.code)));
}

/** Returns SQLite's extended result code, 0 if there is none. */
function codeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode
    : 0;
}

const textOf = (error: unknown) => error instanceof Error ? error.message : "";
