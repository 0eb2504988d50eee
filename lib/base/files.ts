import { parseJson } from "./json.ts";
import { lstatSync, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { UnavailableError } from "./errors.ts";

/**
 * True for the two errors that mean that a path does not exist. No other read error (EACCES, EIO, ELOOP …)
 * means that.
 */
function isMissing(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

/**
 * Returns the result of `read`; undefined if the path is missing. Throws `UnavailableError`, with the hint,
 * for any other error.
 */
export function ifThere<T>(path: string, read: () => T, options: { hint?: string } = {}): T | undefined {
  try {
    return read();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new UnavailableError(`Cannot read "${path}"`, { cause, ...options });
  }
}

/**
 * Returns a path's own stats (a link's, not its target's); undefined if it is missing. Throws
 * `UnavailableError`.
 */
export function lstatIfThere(path: string): Stats | undefined {
  return ifThere(path, () => lstatSync(path));
}

/**
 * Throws `UnavailableError` if one of these paths is a symbolic link, or neither a file nor a folder: it
 * could lead elsewhere if another user has filled the folder. Missing paths are accepted.
 */
export function refuseLinks(...paths: readonly string[]): void {
  for (const path of paths) {
    const found = ifThere(path, () => lstatSync(path), {
      hint: "Run this as the user that owns it, or name another data folder with --data.",
    });
    if (!found || found.isFile() || found.isDirectory()) continue;
    const what = found.isSymbolicLink() ? "a symbolic link" : "neither a file nor a folder";
    throw new UnavailableError(`Cannot use "${path}": it is ${what}, expected a file or folder of our own`, {
      hint: "Remove it, or name another data folder with --data.",
    });
  }
}

/** Returns a file's text; undefined if it is missing. Throws `UnavailableError` if it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new UnavailableError(`Cannot read "${path}"`, { cause });
  }
}

/** As `readIfThere`, parsed. Throws `UnavailableError` if it is not a JSON object. */
export async function readJsonIfThere(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // The error below covers this too.
  }
  throw new UnavailableError(`Cannot use "${path}": it is not a JSON object`, {
    hint: "Mend the file, or name another folder with DOCKER_CONFIG.",
  });
}
