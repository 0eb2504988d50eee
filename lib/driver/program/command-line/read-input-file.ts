import { InputError, messageOf } from "../../../base/errors.ts";
import { readNamedFile } from "../../../base/named-files.ts";

/** Larger than any file that is written by hand or holds a key. */
const MOST_BYTES = 1024 * 1024;

/**
 * Returns the text of a file that a flag names; `-` is stdin, and pipes are allowed. Throws InputError that
 * names the flag and the file if it cannot be read, is empty, or is larger than 1 MiB.
 */
export async function readInputFile(flag: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readNamedFile(path, MOST_BYTES);
  } catch (error) {
    throw new InputError(`${flag}: Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  if (text.trim() === "") throw new InputError(`${flag}: The file "${path}" is empty`);
  return text;
}

/** As `readInputFile`, parsed. An error of `parse` becomes an InputError that names the flag and the file. */
export async function parseInputFile<T>(flag: string, path: string, parse: (text: string) => T): Promise<T> {
  const text = await readInputFile(flag, path);
  try {
    return parse(text);
  } catch (error) {
    throw new InputError(`${flag}: Cannot use "${path}": ${messageOf(error)}`, { cause: error });
  }
}
