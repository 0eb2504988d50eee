import { InputError } from "../../../base/errors.ts";
import type { GitFolder } from "../local/git-folder.ts";
import type { LocalSource } from "../local-source.ts";
import { applyDelta, deltaSizes } from "./delta.ts";
import { type GitObject, MOST_WHOLE_BYTES, type ObjectType, typeOf } from "./format.ts";
import { looseName, openLoose, readLoose } from "./loose.ts";
import { Pack } from "./pack.ts";
import { PackIndex } from "./pack-index.ts";

/** Where an object is stored. */
export type Place =
  | { readonly pack: Pack; readonly place: number }
  | { readonly folder: GitFolder };

/** Longer than any chain of deltas by git. */
const MOST_DELTAS = 5000;
/** Most bytes that the deltas of one chain may make: it is applied without a pause. */
const MOST_MADE_BYTES = 16 * 1024 ** 3;
const CACHE_BYTES = 64 * 1024 * 1024;
const MOST_CACHED_BYTES = 8 * 1024 * 1024;
const MOST_ABBREVIATED = 100;
/** Above the size of any pack, bytes. Combines a pack's number and an offset into one key. */
const LARGEST_PACK = 2 ** 44;

/**
 * The objects of a local repository, packed and loose, and of those it borrows from. Reads only what is asked
 * for, never a whole pack: memory use depends on the largest object, not on the history. Ignores grafts and
 * replacements. Keeps its packs open, so git may replace them meanwhile.
 */
export class ObjectStore implements Disposable {
  readonly #source: LocalSource;
  readonly #idBytes: number;
  readonly #packs = new Map<string, Pack>();
  readonly #files: Disposable[] = [];
  readonly #cache = new Map<number, GitObject>();
  #cachedBytes = 0;
  #isScanned = false;

  constructor(source: LocalSource) {
    this.#source = source;
    this.#idBytes = source.objectFormat === "sha1" ? 20 : 32;
  }

  [Symbol.dispose](): void {
    this.#files.forEach((file) => file[Symbol.dispose]());
    this.#packs.clear();
  }

  /** Returns all packs, in search order. */
  packs(): Pack[] {
    if (!this.#isScanned) this.#scan();
    return [...this.#packs.values()];
  }

  locate(id: string): Place | undefined {
    return this.locateAt(Buffer.from(id, "hex"), 0);
  }

  /** Like `locate`, for the id at `at` in `bytes`. */
  locateAt(bytes: Buffer, at: number): Place | undefined {
    if (!this.#isScanned) this.#scan();
    // If it is missing, git may have packed it just now.
    return this.#find(bytes, at) ?? (this.#scan() ? this.#find(bytes, at) : undefined);
  }

  /** Reads an object. Throws InputError if it is missing, damaged or too large for memory. */
  read(id: string): GitObject {
    const place = this.#placeOf(id);
    return "pack" in place
      ? this.#readPacked(place.pack, place.pack.index.offsetAt(place.place))
      : this.#readLoose(place.folder, id);
  }

  /** Like `read`, for the entry at an offset of a pack. */
  readAt(pack: Pack, offset: number): GitObject {
    return this.#readPacked(pack, offset);
  }

  /** Returns an object's type without reading its data. Undefined if the object is missing. */
  typeOf(id: string): ObjectType | undefined {
    let place = this.locate(id);
    let offset = place && "pack" in place ? place.pack.index.offsetAt(place.place) : 0;
    for (let i = 0; place && i < MOST_DELTAS; i++) {
      if ("folder" in place) {
        using loose = openLoose(place.folder, id);
        return loose?.type;
      }
      const { type, base } = place.pack.entryAt(offset);
      if (base === undefined) return typeOf(type);
      if (typeof base === "number") offset = base;
      else {
        id = base.toString("hex");
        place = this.locate(id);
        offset = place && "pack" in place ? place.pack.index.offsetAt(place.place) : 0;
      }
    }
    return undefined;
  }

  /** Whether an object is larger than `most` bytes. Reads no base: a longer delta counts as larger. */
  isLarger(id: string, most: number): boolean {
    const place = this.#placeOf(id);
    if ("folder" in place) {
      using loose = openLoose(place.folder, id);
      return (loose?.size ?? this.read(id).bytes.length) > most;
    }
    const entry = place.pack.entryAt(place.pack.index.offsetAt(place.place));
    if (entry.base === undefined || entry.size > most) return entry.size > most;
    return deltaSizes(place.pack.dataOf(entry)).result > most;
  }

  /** Returns the full ids with this prefix. */
  beginningWith(prefix: string): string[] {
    const found = new Set(this.packs().flatMap(({ index }) => index.beginningWith(prefix, MOST_ABBREVIATED)));
    const [start, rest] = [prefix.slice(0, 2), prefix.slice(2)];
    for (const folder of this.#source.objectFolders) {
      for (const name of folder.names(start)) {
        if (name.length === 2 * this.#idBytes - 2 && name.startsWith(rest)) found.add(start + name);
      }
    }
    return [...found].filter((id) => /^[0-9a-f]+$/.test(id)).sort();
  }

  /** Returns the error for a missing object. */
  missing(id: string): InputError {
    const why = this.#source.isPartial
      ? "it is a partial clone, whose missing objects only its remote has; expected a full or shallow clone, or a ref that is checked out"
      : 'its repository is incomplete, "git fsck" says more';
    return new InputError(`Cannot build ${this.#source.path}: the object ${id} is missing: ${why}`);
  }

  #placeOf(id: string): Place {
    const place = this.locate(id);
    if (place) return place;
    throw this.missing(id);
  }

  #find(bytes: Buffer, at: number): Place | undefined {
    for (const pack of this.#packs.values()) {
      const place = pack.index.find(bytes, at);
      if (place !== -1) return { pack, place };
    }
    const id = bytes.toString("hex", at, at + this.#idBytes);
    const folder = this.#source.objectFolders.find((one) => one.kind(looseName(id)) === "file");
    return folder && { folder };
  }

  /** Opens new packs. Returns whether there were any. */
  #scan(): boolean {
    this.#isScanned = true;
    const before = this.#packs.size;
    for (const folder of this.#source.objectFolders) {
      const names = new Set(folder.names("pack"));
      for (const name of names) {
        const path = folder.shown(`pack/${name}`);
        if (!/^pack-.+\.pack$/.test(name) || this.#packs.has(path)) continue;
        const pack = this.#openPack(folder, `pack/${name.slice(0, -".pack".length)}`);
        if (pack) this.#packs.set(path, pack);
      }
    }
    return this.#packs.size > before;
  }

  /** Opens a pack. Undefined if it has no index: git has not finished the pack, or has just removed it. */
  #openPack(folder: GitFolder, name: string): Pack | undefined {
    using opening = new DisposableStack();
    const index = opening.use(folder.open(`${name}.idx`));
    const file = opening.use(folder.open(`${name}.pack`));
    if (!index || !file) return undefined;
    const pack = new Pack(this.#packs.size, {
      file,
      index: new PackIndex(index, this.#idBytes),
      idBytes: this.#idBytes,
    });
    this.#files.push(opening.move());
    return pack;
  }

  #readLoose(folder: GitFolder, id: string): GitObject {
    using loose = openLoose(folder, id);
    // git has packed and removed the object meanwhile.
    if (!loose) return this.#scan() ? this.read(id) : this.#throwMissing(id);
    return readLoose(loose);
  }

  #throwMissing(id: string): never {
    throw this.missing(id);
  }

  /** Follows the chain of deltas to a whole object, then applies them in reverse. */
  #readPacked(pack: Pack, offset: number): GitObject {
    const deltas: { key: number; delta: Buffer }[] = [];
    let [held, made] = [0, 0];
    let object: GitObject | undefined;
    while (!object) {
      const key = pack.number * LARGEST_PACK + offset;
      object = this.#cache.get(key);
      if (object) break;
      const entry = pack.entryAt(offset);
      held += entry.size;
      if (held > MOST_WHOLE_BYTES || deltas.length > MOST_DELTAS) {
        throw pack.corrupt("an object is too large, or its chain of deltas too long");
      }
      const data = pack.dataOf(entry);
      const type = typeOf(entry.type);
      if (type) object = this.#remember(key, { type, bytes: data });
      else if (entry.base === undefined) throw pack.corrupt("an object has no type");
      else {
        made += Math.min(deltaSizes(data).result, MOST_WHOLE_BYTES);
        if (made > MOST_MADE_BYTES) throw pack.corrupt("a chain of deltas makes too much");
        deltas.push({ key, delta: data });
        if (typeof entry.base === "number") offset = entry.base;
        else {
          const id = entry.base.toString("hex");
          const place = this.#placeOf(id);
          if ("folder" in place) object = this.#readLoose(place.folder, id);
          else [pack, offset] = [place.pack, place.pack.index.offsetAt(place.place)];
        }
      }
    }
    for (let next = deltas.pop(); next; next = deltas.pop()) {
      const bytes = applyDelta(object.bytes, next.delta, `the pack "${pack.file.path}"`);
      object = this.#remember(next.key, { type: object.type, bytes });
    }
    return object;
  }

  /** Caches an object, which may be the base of the next one. Evicts the oldest first. */
  #remember(key: number, object: GitObject): GitObject {
    if (object.bytes.length > MOST_CACHED_BYTES || key > Number.MAX_SAFE_INTEGER) return object;
    this.#cache.set(key, object);
    this.#cachedBytes += object.bytes.length;
    for (const [oldest, { bytes }] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cachedBytes -= bytes.length;
    }
    return object;
  }
}
