import { readFile } from "node:fs/promises";
import { UnavailableError } from "../base/errors.ts";

/** The text of a file, undefined where there is none. Throws UnavailableError where it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new UnavailableError(`Cannot read "${path}"`, { cause });
  }
}

/** As `readIfThere`, parsed. Throws UnavailableError where it is no JSON object. */
export async function readJsonIfThere(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below for everything that is no object.
  }
  throw new UnavailableError(`Cannot use "${path}": it is not a JSON object`, {
    hint: "Mend the file, or name another folder with DOCKER_CONFIG.",
  });
}
