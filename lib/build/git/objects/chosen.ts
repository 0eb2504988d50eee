import type { GitFolder } from "../local/git-folder.ts";
import type { ObjectStore, Place } from "./object-store.ts";
import type { Pack } from "./pack.ts";

/** A set of objects, by where they are stored: one bit for each object of a pack, so that millions fit. */
export class Chosen {
  readonly #store: ObjectStore;
  readonly #packed = new Map<Pack, Uint8Array>();
  readonly #loose = new Map<string, GitFolder>();
  #count = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get count(): number {
    return this.#count;
  }

  /** False where it was chosen before. Throws InputError where the object is missing. */
  add(id: string): boolean {
    if (this.#loose.has(id)) return false;
    const place = this.#store.locate(id);
    if (!place) throw this.#store.missing(id);
    if (this.#isChosen(id, place)) return false;
    if ("folder" in place) this.#loose.set(id, place.folder);
    else this.#mark(place.pack, place.place);
    this.#count++;
    return true;
  }

  has(id: string): boolean {
    const place = this.#store.locate(id);
    return place !== undefined && this.#isChosen(id, place);
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

  #isChosen(id: string, place: Place): boolean {
    return this.#loose.has(id) || ("pack" in place && this.hasPlace(place.pack, place.place));
  }

  #mark(pack: Pack, place: number): void {
    let bits = this.#packed.get(pack);
    if (!bits) this.#packed.set(pack, bits = new Uint8Array((pack.index.count >> 3) + 1));
    bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
  }
}
