import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const MACH_O_64 = 0xfeedfacf;
const LC_CODE_SIGNATURE = 0x1d;
const CODE_DIRECTORY = 0xfade0c02;

/**
 * How many pages of a macOS program differ from what its signature says; undefined where it has none. macOS
 * ends a program with such pages. Throws where the file is no 64-bit Mach-O.
 */
export function brokenPages(path: string): number | undefined {
  const file = readFileSync(path);
  if (file.readUInt32LE(0) !== MACH_O_64) throw new Error(`${path} is no program for macOS`);
  const signature = signatureIn(file);
  if (signature === undefined) return undefined;
  // A list of blobs, big-endian: for each its type and where it begins.
  const blobs = Array.from(
    { length: file.readUInt32BE(signature + 8) },
    (_, i) => signature + file.readUInt32BE(signature + 16 + 8 * i),
  );
  const directory = blobs.find((at) => file.readUInt32BE(at) === CODE_DIRECTORY);
  if (directory === undefined) return undefined;
  const hashes = directory + file.readUInt32BE(directory + 16);
  const count = file.readUInt32BE(directory + 28);
  const end = file.readUInt32BE(directory + 32);
  const hashSize = file.readUInt8(directory + 36);
  const pageSize = 2 ** file.readUInt8(directory + 39);
  let broken = 0;
  for (let page = 0; page < count; page++) {
    const bytes = file.subarray(page * pageSize, Math.min((page + 1) * pageSize, end));
    const hash = createHash("sha256").update(bytes).digest().subarray(0, hashSize);
    const at = hashes + page * hashSize;
    if (!hash.equals(file.subarray(at, at + hashSize))) broken++;
  }
  return broken;
}

/** Where the signature begins, as one of the load commands behind the header of 32 bytes says. */
function signatureIn(file: Buffer): number | undefined {
  let at = 32;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    if (file.readUInt32LE(at) === LC_CODE_SIGNATURE) return file.readUInt32LE(at + 8);
    at += file.readUInt32LE(at + 4);
  }
  return undefined;
}
