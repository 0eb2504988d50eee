import { createReadStream, createWriteStream, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { type Pack, pack } from "tar-stream";

/** A file of an archive: one of the disk, a text, bytes, a symbolic link, or a folder. */
export type Entry =
  & { readonly name: string; readonly mode?: number }
  & ({ readonly path: string } | { readonly text: string } | { readonly bytes: Uint8Array } | {
    readonly link: string;
  } | {
    readonly folder: true;
  });

const COMPRESSORS = {
  "tar.gz": () => createGzip({ level: 6 }),
  "tar.zst": () =>
    createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_enableLongDistanceMatching]: 1 },
    }),
};
export type Kind = keyof typeof COMPRESSORS;

/** Writes an archive that is the same for the same entries: sorted, owned by root, all with the same time in seconds. */
export async function writeArchive(
  path: string,
  kind: Kind,
  entries: readonly Entry[],
  time: number,
): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, COMPRESSORS[kind](), createWriteStream(`${path}.part`));
  const filled = fill(tar, entries.toSorted((a, b) => a.name < b.name ? -1 : 1), time);
  await Promise.all([written, filled]);
  await rename(`${path}.part`, path);
}

async function fill(tar: Pack, entries: readonly Entry[], time: number): Promise<void> {
  for (const entry of entries) {
    const { name, mode = 0o644 } = entry;
    const header = { name, mode, mtime: new Date(time * 1000), uid: 0, gid: 0, uname: "root", gname: "root" };
    if ("link" in entry) tar.entry({ ...header, mode: 0o777, type: "symlink", linkname: entry.link });
    else if ("folder" in entry) tar.entry({ ...header, type: "directory" });
    else if ("text" in entry) tar.entry(header, entry.text);
    else if ("bytes" in entry) tar.entry(header, Buffer.from(entry.bytes));
    else {await pipeline(
        createReadStream(entry.path),
        tar.entry({ ...header, size: statSync(entry.path).size }),
      );}
  }
  tar.finalize();
}
