import { randomBytes, randomUUID } from "node:crypto";
import { chmod, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { UnavailableError } from "../../../base/errors.ts";
import { readIfThere, refuseLinks } from "../../../base/files.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { readInputFile } from "../../../driver/program/command-line/read-input-file.ts";

const FILE = "token";

/** Returns the control plane's token from the file or from CONVEYOR_TOKEN. Throws InputError. */
export async function givenToken(
  file: string | undefined,
  { CONVEYOR_TOKEN }: Environment,
): Promise<string | undefined> {
  if (file !== undefined) return (await readInputFile("--token-file", file)).trim();
  return CONVEYOR_TOKEN?.trim() || undefined;
}

/**
 * Returns the token that this data folder's control plane has created. Undefined if there is none. Throws
 * UnavailableError if it cannot be read.
 */
export async function tokenOf(folder: string): Promise<string | undefined> {
  const path = join(folder, FILE);
  refuseLinks(path);
  return (await readIfThere(path))?.trim() || undefined;
}

/** Returns this data folder's token. Creates it at the first start, readable by the user only. */
export async function ownToken(folder: string): Promise<string> {
  const path = join(folder, FILE);
  const known = await tokenOf(folder);
  try {
    if (known !== undefined) {
      await chmod(path, 0o600);
      return known;
    }
    const token = randomBytes(32).toString("base64url");
    const partial = `${path}.${randomUUID()}`;
    await using file = await open(partial, "wx", 0o600);
    await file.writeFile(`${token}\n`);
    await rename(partial, path);
    return token;
  } catch (cause) {
    throw new UnavailableError(`Cannot keep the token in "${path}"`, {
      cause,
      hint: "Name another data folder with --data, or a token with --token-file",
    });
  }
}
