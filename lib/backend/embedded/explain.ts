import { messageOf, Retryable } from "../../base/errors.ts";

/** SQLite's result codes that we tell apart (https://sqlite.org/rescode.html). */
const BUSY = 5;
const FULL = 13;
const IO_ERROR = 10;
/** What the operating system says when there is no room, for us or at all. */
const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG"];

/** `Retryable` where there is no room or somebody else is in the way; anything else as it is. */
export function explain(error: unknown): unknown {
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
  return error;
}

/** Deno's `exec` gives no code, only SQLite's text. */
export function isBusy(error: unknown): boolean {
  return codeOf(error) === BUSY || /database (table )?is locked/.test(messageOf(error));
}

/** An input or output error counts: it is what SQLite calls a quota or a file size limit that is reached. */
function isFull(error: unknown): boolean {
  if (error instanceof Error && "code" in error && NO_ROOM.includes(String(error.code))) return true;
  const code = codeOf(error);
  return code === FULL || code === IO_ERROR || /database or disk is full/.test(messageOf(error));
}

/** The low byte is the code, the rest says more of it. */
function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : undefined;
}
