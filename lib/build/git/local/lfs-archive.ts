import { lfsContent, type LfsObject } from "./lfs-objects.ts";

const BLOCK_BYTES = 512;
/** The end of an archive. */
const END = Buffer.alloc(2 * BLOCK_BYTES);
/** Sizes from this one on do not fit into the octal digits of a header. */
const LARGE_BYTES = 8 ** 11;

/** A tar archive of Git LFS objects, with paths as below `lfs/objects`. */
export interface LfsArchive {
  readonly size: number;
  /** Reads the objects. */
  bytes(): Generator<Uint8Array>;
}

export function lfsArchive(objects: readonly LfsObject[]): LfsArchive {
  return {
    size: objects.reduce((sum, { size }) => sum + BLOCK_BYTES + size + paddingOf(size), END.length),
    *bytes() {
      for (const object of objects) {
        yield header(object);
        yield* lfsContent(object);
        yield Buffer.alloc(paddingOf(object.size));
      }
      yield END;
    },
  };
}

const paddingOf = (size: number): number => (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;

function header({ oid, size }: LfsObject): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    bytes.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  bytes.write(`${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`, 0, "latin1");
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  if (size < LARGE_BYTES) octal(size, 124, 11);
  else {
    bytes[124] = 0x80;
    bytes.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(0, 136, 11);
  bytes.write("        0", 148, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  octal(bytes.reduce((sum, byte) => sum + byte, 0), 148, 6);
  bytes[154] = 0;
  return bytes;
}
