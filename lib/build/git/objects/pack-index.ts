import type { OpenFile } from "../local/git-folder.ts";
import { corrupt } from "./format.ts";

/** An index up to this size is kept in memory; of a larger one, only the requested parts are read. */
const MOST_HELD_BYTES = 64 * 1024 * 1024;
/** Number of lookups before an index is loaded: finding one commit takes only a few reads. */
const FIRST_QUESTIONS = 50;
const MAGIC = 0xff744f63;

/** The index of a pack: git's version 2, and version 1 of old repositories. */
export class PackIndex {
  readonly count: number;
  readonly #file: OpenFile;
  readonly #idBytes: number;
  #held: Buffer | undefined;
  #questions = 0;
  readonly #fanout: readonly number[];
  readonly #isOld: boolean;

  /** Throws InputError if this is not an index. */
  constructor(file: OpenFile, idBytes: number) {
    this.#file = file;
    this.#idBytes = idBytes;
    const start = this.#at(0, 8);
    this.#isOld = start.readUInt32BE(0) !== MAGIC;
    if (!this.#isOld && start.readUInt32BE(4) !== 2) throw this.#corrupt("its version is not known");
    const table = this.#at(this.#isOld ? 0 : 8, 1024);
    this.#fanout = Array.from({ length: 256 }, (_, i) => table.readUInt32BE(4 * i));
    if (this.#fanout.some((count, i) => count < (this.#fanout[i - 1] ?? 0))) {
      throw this.#corrupt("its table is not in order");
    }
    this.count = this.#fanout[255] ?? 0;
    const entry = this.#isOld ? idBytes + 4 : idBytes + 8;
    if (file.size < (this.#isOld ? 1024 : 1032) + this.count * entry) throw this.#corrupt("it is cut off");
  }

  /** Returns the position in the index of the id at `at` in `bytes`, or -1 if it is missing. */
  find(bytes: Buffer, at: number): number {
    if (++this.#questions === FIRST_QUESTIONS && this.#file.size <= MOST_HELD_BYTES) {
      this.#held = this.#file.read(0, this.#file.size);
    }
    const first = bytes[at] ?? 0;
    const high = this.#fanout[first] ?? 0;
    const place = this.#firstFrom(bytes, at, this.#fanout[first - 1] ?? 0, high);
    return place < high && this.#compare(place, bytes, at) === 0 ? place : -1;
  }

  /** Returns up to `most` ids with this prefix. */
  beginningWith(prefix: string, most: number): string[] {
    const first = Buffer.from(prefix.padEnd(2 * this.#idBytes, "0"), "hex");
    const high = this.#fanout[first[0] ?? 0] ?? 0;
    const ids: string[] = [];
    for (let place = this.#firstFrom(first, 0, 0, high); place < high && ids.length < most; place++) {
      const id = this.idAt(place).toString("hex");
      if (!id.startsWith(prefix)) break;
      ids.push(id);
    }
    return ids;
  }

  idAt(place: number): Buffer {
    return this.#at(this.#startOf(place), this.#idBytes);
  }

  offsetAt(place: number): number {
    if (this.#isOld) return this.#numberAt(1024 + place * (this.#idBytes + 4));
    const offsets = 1032 + this.count * (this.#idBytes + 4);
    const offset = this.#numberAt(offsets + place * 4);
    if (offset < 0x80000000) return offset;
    const large = this.#at(offsets + this.count * 4 + (offset - 0x80000000) * 8, 8);
    return large.readUInt32BE(0) * 2 ** 32 + large.readUInt32BE(4);
  }

  #startOf(place: number): number {
    return this.#isOld ? 1024 + place * (this.#idBytes + 4) + 4 : 1032 + place * this.#idBytes;
  }

  /**
   * The hottest function: allocates nothing while the index is in memory. Most ids differ in their first
   * bytes, which a loop finds faster than `Buffer.compare`.
   */
  #compare(place: number, bytes: Buffer, at: number): number {
    const held = this.#held ?? this.idAt(place);
    const start = this.#held ? this.#startOf(place) : 0;
    for (let i = 0; i < this.#idBytes; i++) {
      const difference = (held[start + i] ?? 0) - (bytes[at + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #firstFrom(bytes: Buffer, at: number, low: number, high: number): number {
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, bytes, at) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #numberAt(offset: number): number {
    const held = this.#held;
    return held && offset + 4 <= held.length
      ? held.readUInt32BE(offset)
      : this.#at(offset, 4).readUInt32BE(0);
  }

  #at(offset: number, length: number): Buffer {
    const bytes = this.#held ? this.#held.subarray(offset, offset + length) : this.#file.read(offset, length);
    if (bytes.length === length) return bytes;
    throw this.#corrupt("it is cut off");
  }

  #corrupt(what: string): Error {
    return corrupt(`the pack index "${this.#file.path}"`, what);
  }
}
