import { readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { InputError } from "./errors.ts";
import { utf8Text } from "./text.ts";

/**
 * Texts of pipes that the command line names, by path. Files may be read again at every connection, so that a
 * renewed one needs no restart; a pipe, as of `<(…)`, can be read only once.
 */
const kept = new Map<string, string>();

const STDIN = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/**
 * Returns the file's text; `-` is stdin. Rejects if it cannot be read, is not UTF-8, or is larger than
 * `mostBytes`, which also stops an endless one.
 */
export async function readNamedFile(path: string, mostBytes: number): Promise<string> {
  const known = kept.get(path);
  if (known !== undefined) return known;
  if (STDIN.includes(path)) return keep(path, await textOf(process.stdin, mostBytes));
  await using file = await open(path);
  const text = await textOf(chunksOf(file), mostBytes);
  return (await file.stat()).isFile() ? text : keep(path, text);
}

/**
 * Returns the text of a file that has been read before; a regular file is read again. Throws the system's
 * error.
 */
export function rereadNamedFileSync(path: string): string {
  return kept.get(path) ?? readFileSync(path, "utf8");
}

/** As `rereadNamedFileSync`. */
export async function rereadNamedFile(path: string): Promise<string> {
  return kept.get(path) ?? await readFile(path, "utf8");
}

/** True if the path is a pipe that has been read, whose text is kept. */
export const isKept = (path: string): boolean => kept.has(path);

function keep(path: string, text: string): string {
  kept.set(path, text);
  return text;
}

/** Reads from the current position, because a pipe has no other. */
async function* chunksOf(file: Awaited<ReturnType<typeof open>>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { buffer, bytesRead } = await file.read(new Uint8Array(65_536), 0, 65_536, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array | string>, mostBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const part = Buffer.from(chunk as Uint8Array);
    length += part.length;
    if (length > mostBytes) throw new InputError(`it is larger than ${mostBytes / 1024 ** 2} MiB`);
    parts.push(part);
  }
  return utf8Text(Buffer.concat(parts));
}
