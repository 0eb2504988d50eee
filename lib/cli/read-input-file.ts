import { open } from "node:fs/promises";
import { InputError, messageOf } from "../base/errors.ts";

/** More than any file that is typed by hand or holds a key. */
const MOST_BYTES = 1024 * 1024;

/**
 * The text of a file that a flag names. Throws InputError that names the flag and the file where it cannot be read, is
 * empty, or is larger than 1 MiB.
 */
export async function readInputFile(flag: string, path: string): Promise<string> {
  let text: string;
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0);
    if (bytesRead > MOST_BYTES) throw new InputError("it is larger than 1 MiB");
    text = buffer.toString("utf8", 0, bytesRead);
  } catch (error) {
    throw new InputError(`${flag}: Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  if (text.trim() === "") throw new InputError(`${flag}: The file "${path}" is empty`);
  return text;
}
