import { messageOf } from "../../base/errors.ts";
import { UnreadableError } from "./set-aside.ts";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";

/** Data as they are stored. */
export interface Packed {
  readonly packed: boolean;
  readonly data: Uint8Array;
}

/**
 * Returns the data compressed, or a copy if that is smaller. Logs shrink to a tenth; compressing takes less
 * time than writing the difference.
 */
export function pack(data: Uint8Array): Packed {
  const smaller = data.length < WORTH_PACKING ? data : zstdCompressSync(data, FAST);
  return smaller.length < data.length
    ? { packed: true, data: smaller }
    : { packed: false, data: new Uint8Array(data) };
}

/** Reverses `pack`. Throws `UnreadableError`. */
export function unpack(packed: boolean, data: Uint8Array): Uint8Array {
  try {
    return packed ? zstdDecompressSync(data) : data;
  } catch (error) {
    throw new UnreadableError(`its compressed data are damaged: ${messageOf(error)}`);
  }
}

const WORTH_PACKING = 1024;
/** Zstandard level 1: `ZSTD_c_compressionLevel` is parameter 100. */
const FAST = { params: { 100: 1 } };
