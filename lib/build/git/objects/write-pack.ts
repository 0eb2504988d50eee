import { createHash, type Hash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createDeflate, createInflate, deflateSync } from "node:zlib";
import type { OpenFile } from "../local/git-folder.ts";
import type { Chosen } from "./chosen.ts";
import { corrupt, type GitObject, OFFSET_DELTA, packDistance, packHeader, typeOf, TYPES } from "./format.ts";
import { openLoose, readLoose, whereOf } from "./loose.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Pack } from "./pack.ts";
import { pacer } from "./shipment.ts";

const CHUNK_BYTES = 256 * 1024;
const MOST_RUN_BYTES = 4 * 1024 * 1024;
/** Loose objects up to this size are read whole. */
const SMALL_BYTES = 4 * 1024 * 1024;
/** Fast compression: the data goes over a local socket. */
const QUICK = { level: 1 };

/** The objects of one repository to send. */
export interface PackPart {
  readonly chosen: Chosen;
  readonly store: ObjectStore;
}

/**
 * Writes the chosen objects of several repositories as one pack. Compressed data is sent unchanged, including
 * deltas whose base is sent. Memory use depends on the largest object that must be reconstructed. Nothing is
 * verified here: the reader of a pack computes each object's id from its content. Throws InputError for
 * damaged data.
 */
export async function* writePack(
  parts: readonly PackPart[],
  { algorithm, signal }: { algorithm: "sha1" | "sha256"; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const out = new Output(algorithm);
  const pace = pacer(signal);
  const start = Buffer.from("PACK\0\0\0\x02\0\0\0\0", "latin1");
  start.writeUInt32BE(parts.reduce((count, { chosen }) => count + chosen.count, 0), 8);
  out.add(start);
  for (const part of parts) yield* writePart(part, { out, pace, signal });
  yield out.end();
}

async function* writePart(
  { chosen, store }: PackPart,
  { out, pace, signal }: { out: Output; pace: () => Promise<void>; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  for (const pack of chosen.packs()) {
    for (const piece of packed(pack, { chosen, store, out })) {
      out.add(piece);
      if (out.isFull()) yield out.take();
      await pace();
    }
  }
  for (const id of chosen.loose()) {
    for await (const piece of loose(id, store)) {
      out.add(piece);
      if (out.isFull()) yield out.take();
      signal.throwIfAborted();
    }
    await pace();
  }
}

/** Yields the chosen objects of one pack in pack order, so that a delta follows its base. */
function* packed(
  pack: Pack,
  { chosen, store, out }: { chosen: Chosen; store: ObjectStore; out: Output },
): Generator<Uint8Array> {
  const offsets = pack.offsets();
  const isChosen = new Uint8Array(offsets.length);
  for (let place = 0; place < offsets.length; place++) {
    if (chosen.hasPlace(pack, place)) isChosen[rankOf(offsets, pack.index.offsetAt(place))] = 1;
  }
  const sentAt = new Float64Array(offsets.length);
  let position = out.size;
  // Adjacent objects that are sent unchanged are read together.
  let run = { start: 0, end: 0 };
  for (let rank = 0; rank < offsets.length; rank++) {
    if (!isChosen[rank]) continue;
    const offset = offsets[rank] ?? 0;
    const end = offsets[rank + 1] ?? pack.end;
    sentAt[rank] = position;
    const { type, size, start, base } = pack.entryAt(offset, CHUNK_BYTES);
    if (base === undefined && typeOf(type) === undefined) throw pack.corrupt("an object has no type");
    const baseRank = typeof base === "number" ? rankOf(offsets, base) : -1;
    const distance = position - (sentAt[baseRank] ?? 0);
    const isBaseSent = typeof base === "number"
      ? isChosen[baseRank] === 1
      : base === undefined || chosen.has(base.toString("hex"));
    if (isBaseSent && (typeof base !== "number" || distance === offset - base)) {
      if (run.end !== offset || run.end - run.start > MOST_RUN_BYTES) {
        yield* piecesOf(pack.file, run.start, run.end);
        run = { start: offset, end: offset };
      }
      run.end = end;
      position += end - offset;
      continue;
    }
    yield* piecesOf(pack.file, run.start, run.end);
    run = { start: 0, end: 0 };
    const pieces = isBaseSent
      ? [packHeader(OFFSET_DELTA, size), packDistance(distance)]
      : wholePieces(store.readAt(pack, offset));
    for (const piece of pieces) {
      position += piece.length;
      yield piece;
    }
    if (!isBaseSent) continue;
    position += end - start;
    yield* piecesOf(pack.file, start, end);
  }
  yield* piecesOf(pack.file, run.start, run.end);
}

const wholePieces = ({ type, bytes }: GitObject): Buffer[] => [
  packHeader(TYPES[type], bytes.length),
  deflateSync(bytes, QUICK),
];

/**
 * Yields a loose object. Its header is compressed together with its data, so the data is compressed again.
 */
async function* loose(id: string, store: ObjectStore): AsyncGenerator<Uint8Array> {
  const place = store.locate(id);
  using object = place && "folder" in place ? openLoose(place.folder, id) : undefined;
  if (object && object.size > SMALL_BYTES) {
    yield packHeader(TYPES[object.type], object.size);
    let size = 0;
    const data = async function* (inflated: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      let skip = object.headerBytes;
      for await (const chunk of inflated) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        size += rest.length;
        if (size > object.size) break;
        yield rest;
      }
      if (size !== object.size) throw corrupt(whereOf(object.file), "its data is not of the size it says");
    };
    const compressed = createDeflate(QUICK);
    pipeline(
      Readable.from(piecesOf(object.file, 0, object.file.size)),
      createInflate(),
      data,
      compressed,
      () => {},
    );
    yield* compressed;
    return;
  }
  // git has packed the object since it was chosen.
  yield* wholePieces(object ? readLoose(object) : store.read(id));
}

function* piecesOf(file: OpenFile, start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end;) {
    const piece = file.read(at, Math.min(CHUNK_BYTES, end - at));
    if (piece.length === 0) throw corrupt(`"${file.path}"`, "it is cut off");
    yield piece;
    at += piece.length;
  }
}

/** Returns the position of an offset among all, or -1 if it is not one of them. */
function rankOf(offsets: Float64Array, offset: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return offsets[low] === offset ? low : -1;
}

/** Collects small pieces, and counts and hashes their bytes. */
class Output {
  #pieces: Uint8Array[] = [];
  #held = 0;
  readonly #hash: Hash;
  size = 0;

  constructor(algorithm: string) {
    this.#hash = createHash(algorithm);
  }

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.size += piece.length;
  }

  isFull(): boolean {
    return this.#held >= CHUNK_BYTES;
  }

  take(): Uint8Array {
    const [only] = this.#pieces;
    const bytes = only && this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    this.#hash.update(bytes);
    return bytes;
  }

  end(): Uint8Array {
    const last = this.take();
    return Buffer.concat([last, this.#hash.digest()]);
  }
}
