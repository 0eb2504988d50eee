import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** A file's size in bytes, 0 where there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** How many bytes the disk of a file has left for us. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize;
}
