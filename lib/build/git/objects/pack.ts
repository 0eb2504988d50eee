import type { OpenFile } from "../local/git-folder.ts";
import { corrupt, ID_DELTA, OFFSET_DELTA } from "./format.ts";
import { inflate } from "./inflate.ts";
import type { PackIndex } from "./pack-index.ts";

/** An object's entry in a pack, without its data. */
export interface PackEntry {
  readonly type: number;
  /** Size of the inflated data, bytes. */
  readonly size: number;
  /** Offset of its compressed data. */
  readonly start: number;
  /** A delta's base, by offset or id. */
  readonly base?: number | Buffer;
}

/** The longest header of an entry: a size of 64 bits and an id of 32 bytes. */
const HEADER_BYTES = 48;
/** Read ahead for an entry: most are smaller. */
const AHEAD_BYTES = 4096;

/** One pack with its index. */
export class Pack {
  /** Its number among the repository's packs. */
  readonly number: number;
  readonly index: PackIndex;
  readonly file: OpenFile;
  /** Offset of the end of its last object. */
  readonly end: number;
  readonly #idBytes: number;
  #window: { readonly start: number; readonly bytes: Buffer } = { start: 0, bytes: Buffer.alloc(0) };
  #offsets: Float64Array | undefined;

  /** Throws InputError if this is not a pack. */
  constructor(
    number: number,
    { file, index, idBytes }: { file: OpenFile; index: PackIndex; idBytes: number },
  ) {
    this.number = number;
    this.file = file;
    this.index = index;
    this.#idBytes = idBytes;
    this.end = file.size - idBytes;
    const start = file.read(0, 12);
    const isPack = start.length === 12 && start.toString("latin1", 0, 4) === "PACK" &&
      [2, 3].includes(start.readUInt32BE(4)) && start.readUInt32BE(8) === index.count;
    if (!isPack) throw this.corrupt("it is not a pack, or not the one of its index");
  }

  /** Reads an entry. `ahead`: how many bytes to read at once, for the entries that follow. */
  entryAt(offset: number, ahead = AHEAD_BYTES): PackEntry {
    if (!(offset >= 12 && offset < this.end)) throw this.corrupt("its index points beyond it");
    const bytes = this.#read(offset, Math.min(HEADER_BYTES, this.end - offset), ahead);
    let i = 0;
    const next = () => {
      const byte = bytes[i++];
      if (byte === undefined) throw this.corrupt("it is cut off");
      return byte;
    };
    let byte = next();
    const type = (byte >> 4) & 7;
    let size = byte & 15;
    for (let unit = 16; byte & 0x80; unit *= 128) {
      byte = next();
      size += (byte & 0x7f) * unit;
    }
    if (!Number.isSafeInteger(size)) throw this.corrupt("an object has an impossible size");
    if (type === OFFSET_DELTA) {
      byte = next();
      let distance = byte & 0x7f;
      while (byte & 0x80) {
        byte = next();
        distance = (distance + 1) * 128 + (byte & 0x7f);
      }
      if (!(distance > 0 && distance < offset)) throw this.corrupt("a delta's base is not in it");
      return { type, size, start: offset + i, base: offset - distance };
    }
    if (type !== ID_DELTA) return { type, size, start: offset + i };
    const base = Buffer.from(bytes.subarray(i, i + this.#idBytes));
    if (base.length < this.#idBytes) throw this.corrupt("it is cut off");
    return { type, size, start: offset + i + this.#idBytes, base };
  }

  /** Returns an entry's data. The caller has checked that its size fits into memory. */
  dataOf({ start, size }: PackEntry): Buffer {
    // Incompressible data grows by some bytes in every 16 KiB.
    const most = size + Math.ceil(size / 1000) + 64;
    return inflate(
      this.file.read(start, Math.min(most, this.end - start)),
      size,
      `the pack "${this.file.path}"`,
    );
  }

  /** Returns the offsets of all objects, sorted. Throws InputError if two are equal. */
  offsets(): Float64Array {
    if (this.#offsets) return this.#offsets;
    const offsets = new Float64Array(this.index.count);
    for (let place = 0; place < offsets.length; place++) offsets[place] = this.index.offsetAt(place);
    offsets.sort();
    for (let i = 1; i < offsets.length; i++) {
      if (offsets[i] === offsets[i - 1]) throw this.corrupt("two of its objects are in the same place");
    }
    return this.#offsets = offsets;
  }

  #read(offset: number, length: number, ahead = length): Buffer {
    const from = offset - this.#window.start;
    if (from >= 0 && from + length <= this.#window.bytes.length) {
      return this.#window.bytes.subarray(from, from + length);
    }
    const bytes = this.file.read(offset, Math.min(Math.max(length, ahead), this.end - offset));
    if (ahead > length) this.#window = { start: offset, bytes };
    return bytes.subarray(0, length);
  }

  corrupt(what: string): Error {
    return corrupt(`the pack "${this.file.path}"`, what);
  }
}
