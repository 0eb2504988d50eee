import { parseJson } from "./json.ts";
import { lstatSync, type Stats } from "node:fs";
import { readFile } from "node:fs/promises";
import { UnavailableError } from "./errors.ts";

/** True for the two errors that say a path leads nowhere. No other read error (EACCES, EIO, ELOOP …) may count as absence. */
export function isMissing(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** What `read` returns, undefined where the path is missing. Throws UnavailableError on any other error. */
export function ifThere<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new UnavailableError(`Cannot read "${path}"`, { cause });
  }
}

/** A path's own facts (a link's, not its target's), undefined where it is missing. Throws UnavailableError. */
export function lstatIfThere(path: string): Stats | undefined {
  return ifThere(path, () => lstatSync(path));
}

/**
 * Throws UnavailableError where one of these paths is a symbolic link, or neither a file nor a folder: a folder that somebody
 * else has filled could lead us elsewhere by it. Paths that are missing are fine.
 */
export function refuseLinks(...paths: readonly string[]): void {
  for (const path of paths) {
    const found = lstatIfThere(path);
    if (!found || found.isFile() || found.isDirectory()) continue;
    const what = found.isSymbolicLink() ? "a symbolic link" : "neither a file nor a folder";
    throw new UnavailableError(`Cannot use "${path}": it is ${what}, expected a file or folder of our own`, {
      hint: "Remove it, or name another data folder with --data.",
    });
  }
}

/** A file's text, undefined where it is missing. Throws UnavailableError where it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new UnavailableError(`Cannot read "${path}"`, { cause });
  }
}

/** As `readIfThere`, parsed. Throws UnavailableError where it is no JSON object. */
export async function readJsonIfThere(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Said below for everything that is no object.
  }
  throw new UnavailableError(`Cannot use "${path}": it is not a JSON object`, {
    hint: "Mend the file, or name another folder with DOCKER_CONFIG.",
  });
}
