import { constants, inflateSync } from "node:zlib";
import { corrupt } from "./format.ts";

/** Inflates data whose size is known. What follows it is passed over. Throws InputError. */
export function inflate(bytes: Buffer, size: number, where: string): Buffer {
  try {
    // Never more than it says: a few bytes may inflate to a thousand times as many.
    const inflated = inflateSync(bytes, { maxOutputLength: Math.max(1, size), chunkSize: chunkSize(size) });
    if (inflated.length === size) return inflated;
  } catch {
    // Said below: whatever zlib calls it, the data is not what it should be.
  }
  throw corrupt(where, "an object's data is damaged");
}

/** Inflates the beginning of some data, as far as these bytes hold it. Throws InputError. */
export function inflateStart(bytes: Buffer, where: string): Buffer {
  try {
    return inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw Object.assign(corrupt(where, "an object's data is damaged"), { cause });
  }
}

const chunkSize = (size: number): number => Math.min(64 * 1024, Math.max(64, size + 1));
