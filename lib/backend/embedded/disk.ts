import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Returns a file's size in bytes, 0 if there is no file. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Returns how many bytes are available to us on the disk of a file. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize;
}
