import type { ObjectStore } from "./object-store.ts";
import type { Pack } from "./pack.ts";

/** A set of objects, by storage location: one bit for each object of a pack, so that millions fit. */
export class Chosen {
  readonly #store: ObjectStore;
  readonly #packed = new Map<Pack, Uint8Array>();
  readonly #loose = new Set<string>();
  #count = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns false if the object was already chosen. Throws InputError if it is missing. */
  add(id: string): boolean {
    return this.addAt(Buffer.from(id, "hex"), 0, id.length / 2);
  }

  /** Like `add`, for the id at `at` in `bytes`. */
  addAt(bytes: Buffer, at: number, length: number): boolean {
    const place = this.#store.locateAt(bytes, at);
    if (!place) throw this.#store.missing(bytes.toString("hex", at, at + length));
    if ("pack" in place) {
      if (this.hasPlace(place.pack, place.place)) return false;
      this.#mark(place.pack, place.place);
    } else {
      const id = bytes.toString("hex", at, at + length);
      if (this.#loose.has(id)) return false;
      this.#loose.add(id);
    }
    this.#count++;
    return true;
  }

  has(id: string): boolean {
    const place = this.#store.locate(id);
    return place !== undefined &&
      ("pack" in place ? this.hasPlace(place.pack, place.place) : this.#loose.has(id));
  }

  hasPlace(pack: Pack, place: number): boolean {
    return (((this.#packed.get(pack)?.[place >> 3] ?? 0) >> (place & 7)) & 1) === 1;
  }

  loose(): IterableIterator<string> {
    return this.#loose.keys();
  }

  packs(): IterableIterator<Pack> {
    return this.#packed.keys();
  }

  #mark(pack: Pack, place: number): void {
    let bits = this.#packed.get(pack);
    if (!bits) this.#packed.set(pack, bits = new Uint8Array((pack.index.count >> 3) + 1));
    bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
  }
}
