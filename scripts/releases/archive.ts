import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
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

const COMPRESSORS: Record<Exclude<Kind, "tar.xz">, () => NodeJS.ReadWriteStream> = {
  "tar.gz": () => createGzip({ level: 6 }),
  "tar.zst": () =>
    createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_enableLongDistanceMatching]: 1 },
    }),
};
export type Kind = "tar.gz" | "tar.zst" | "tar.xz";

export interface ArchiveOptions {
  /** Of all entries, in seconds. */
  readonly time: number;
  /** Whether the programs in it are for x86: xz makes those smaller with its filter. */
  readonly isX86?: boolean;
}

/** Throws if there is no xz, for which the runtimes have no compressor of their own. */
export function checkXz(): void {
  const { stdout } = spawnSync("xz", ["--version"], { encoding: "utf8" });
  if (stdout?.includes("XZ Utils")) return;
  throw new Error("Cannot make a .tar.xz: expected xz of XZ Utils on PATH, or no --xz");
}

/** Writes an archive that is the same for the same entries: sorted, owned by root, all with the same time. */
export async function writeArchive(
  path: string,
  kind: Kind,
  entries: readonly Entry[],
  { time, isX86 = false }: ArchiveOptions,
): Promise<void> {
  const tar = pack();
  const file = createWriteStream(`${path}.part`);
  const written = kind === "tar.xz" ? throughXz(tar, file, isX86) : pipeline(tar, COMPRESSORS[kind](), file);
  const filled = fill(tar, entries.toSorted((a, b) => a.name < b.name ? -1 : 1), time);
  await Promise.all([written, filled]);
  await rename(`${path}.part`, path);
}

/** Some machines' xz knows no filter but that for x86. One thread, since the bytes depend on their number. */
async function throughXz(
  from: Pack,
  to: NodeJS.WritableStream,
  isX86: boolean,
): Promise<void> {
  const words = ["-T1", "-c", ...isX86 ? ["--x86"] : [], "--lzma2=preset=6,dict=64MiB"];
  const xz = spawn("xz", words, { stdio: ["pipe", "pipe", "inherit"] });
  const [[code]] = await Promise.all([once(xz, "close"), pipeline(from, xz.stdin), pipeline(xz.stdout, to)]);
  if (code !== 0) throw new Error(`"xz ${words.join(" ")}" exited with ${code}`);
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
