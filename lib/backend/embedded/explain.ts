import { Retryable } from "../../base/errors.ts";

/** SQLite's result codes that we tell apart (https://sqlite.org/rescode.html). */
const BUSY = 5;
const FULL = 13;
/** Writing, syncing, truncating, growing the shared memory: what a quota that is used up, or a size limit, becomes. */
const CANNOT_GROW = [778, 1034, 1546, 4874];
/** What the operating system says when there is no room, for us or at all. */
const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG"];
/** The same as Deno says it, which has no code for the last two (Linux's numbers). */
const NO_ROOM_IN_DENO = /\(os error (28|122|27)\)$/;

/** Some of the database's file is not what SQLite wrote there: a broken disk, or somebody else's hand. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = [11, 26];

/** Deno's `exec` gives no code. */
function isDamaged(error: unknown): boolean {
  return DAMAGED.includes(codeOf(error) & 0xff) ||
    /^(database disk image is malformed|file is not a database)/.test(textOf(error));
}

/** `DamagedError` where the file is broken. `Retryable` where there is no room or somebody else is in the way; anything else as it is. */
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

/** Deno's `exec` gives no code, only SQLite's text. */
export function isBusy(error: unknown): boolean {
  return (codeOf(error) & 0xff) === BUSY || /^database (table )?is locked/.test(textOf(error));
}

/** True where something could not be written for want of room. */
export function isFull(error: unknown): boolean {
  const code = codeOf(error);
  const text = textOf(error);
  return code === FULL || CANNOT_GROW.includes(code) || text === "database or disk is full" ||
    NO_ROOM_IN_DENO.test(text) ||
    (error instanceof Error && "code" in error && NO_ROOM.includes(String(error.code)));
}

/** SQLite's extended result code, 0 where there is none. */
function codeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode
    : 0;
}

const textOf = (error: unknown) => error instanceof Error ? error.message : "";
