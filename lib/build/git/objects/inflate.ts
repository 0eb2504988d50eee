import { constants, inflateSync } from "node:zlib";
import { corrupt } from "./format.ts";

/** Inflates data of a known size. Ignores what follows it. Throws InputError. */
export function inflate(bytes: Buffer, size: number, where: string): Buffer {
  try {
    // Limit the output to the stated size: a few bytes may inflate to a thousand times as many.
    const inflated = inflateSync(bytes, { maxOutputLength: Math.max(1, size), chunkSize: chunkSize(size) });
    if (inflated.length === size) return inflated;
  } catch {
    // Reported below as damaged data, whatever zlib's message.
  }
  throw corrupt(where, "an object's data is damaged");
}

/** Inflates the beginning of some data, as far as these bytes go. Throws InputError. */
export function inflateStart(bytes: Buffer, where: string): Buffer {
  try {
    return inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw Object.assign(corrupt(where, "an object's data is damaged"), { cause });
  }
}

const chunkSize = (size: number): number => Math.min(64 * 1024, Math.max(64, size + 1));
