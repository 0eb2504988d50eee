import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";

/**
 * An object of a pack that git would not write. `header` is what stands before the data, `data` is compressed
 * here.
 */
export interface CraftedObject {
  readonly id: string;
  readonly header: Buffer;
  readonly data: Buffer;
  /** Where the index says that it is, instead of where it is. */
  readonly offset?: number;
}

/** Writes a pack and its index into a repository, as they are given: nothing is checked. */
export function craftPack(gitFolder: string, objects: readonly CraftedObject[]): void {
  const start = Buffer.from("PACK\0\0\0\x02\0\0\0\0", "latin1");
  start.writeUInt32BE(objects.length, 8);
  const pieces: Uint8Array[] = [start];
  let size = start.length;
  const entries = objects.map(({ id, header, data, offset }) => {
    const entry = { id: Buffer.from(id, "hex"), offset: offset ?? size };
    pieces.push(header, deflateSync(data));
    size += header.length + (pieces.at(-1)?.length ?? 0);
    return entry;
  }).sort((a, b) => a.id.compare(b.id));
  const body = Buffer.concat(pieces);
  const hash = createHash("sha1").update(body).digest();
  const fanout = Buffer.alloc(1024);
  for (let i = 0; i < 256; i++) {
    fanout.writeUInt32BE(entries.filter(({ id }) => (id[0] ?? 0) <= i).length, 4 * i);
  }
  const offsets = Buffer.alloc(4 * entries.length);
  entries.forEach(({ offset }, i) => offsets.writeUInt32BE(offset, 4 * i));
  const index = Buffer.concat([
    Buffer.from("\xfftOc\0\0\0\x02", "latin1"),
    fanout,
    ...entries.map(({ id }) => id),
    Buffer.alloc(4 * entries.length),
    offsets,
    hash,
    Buffer.alloc(20),
  ]);
  const folder = join(gitFolder, "objects", "pack");
  mkdirSync(folder, { recursive: true });
  const name = join(folder, `pack-${hash.toString("hex")}`);
  writeFileSync(`${name}.pack`, Buffer.concat([body, hash]));
  writeFileSync(`${name}.idx`, index);
}

/** Writes a loose object under any id. */
export function craftLoose(gitFolder: string, id: string, content: Buffer): void {
  mkdirSync(join(gitFolder, "objects", id.slice(0, 2)), { recursive: true });
  writeFileSync(join(gitFolder, "objects", id.slice(0, 2), id.slice(2)), deflateSync(content));
}
