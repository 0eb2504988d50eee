import { createReadStream } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import type { LocalSource } from "./local-source.ts";

type Pack = ReturnType<typeof pack>;

/** Files up to this size are read whole; larger ones are streamed. */
const WHOLE_BYTES = 256 * 1024;

/**
 * A tar archive with a bare repository below `folder`: the source's HEAD, refs and objects under a configuration of our
 * own. Its hooks, configuration, index and work tree are left behind, so nothing of it can run or show where it came
 * from. Links are left out too: objects and refs are plain files.
 */
export function sourceArchive(
  source: LocalSource,
  folder: string,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const archive = pack();
  writeSource(archive, source, folder, signal).then(
    () => archive.finalize(),
    (error) => archive.destroy(error),
  );
  return archive as AsyncIterable<Uint8Array>;
}

async function writeSource(
  archive: Pack,
  source: LocalSource,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const { gitFolder, commonFolder } = source;
  addText(archive, `${folder}/config`, configOf(source));
  addText(archive, `${folder}/HEAD`, await readFile(join(gitFolder, "HEAD"), "utf8"));
  addFolder(archive, `${folder}/refs`);
  addFolder(archive, `${folder}/objects`);
  for (const name of ["packed-refs", "shallow"]) {
    await addFile(archive, join(commonFolder, name), `${folder}/${name}`);
  }
  for (const kind of ["heads", "tags", "remotes"]) {
    await addTree(archive, join(commonFolder, "refs", kind), `${folder}/refs/${kind}`, () => true, signal);
  }
  const taken = new Set<string>();
  for (const objects of source.objectFolders) {
    await addTree(
      archive,
      objects,
      `${folder}/objects`,
      (name) => isObject(name) && !taken.has(name),
      signal,
      taken,
    );
  }
}

function configOf({ objectFormat }: LocalSource): string {
  const isSha1 = objectFormat === "sha1";
  return `[core]\n\trepositoryformatversion = ${isSha1 ? 0 : 1}\n\tbare = true\n` +
    `[uploadpack]\n\tallowAnySHA1InWant = true\n` +
    (isSha1 ? "" : `[extensions]\n\tobjectformat = ${objectFormat}\n`);
}

/** Loose objects, packs and their indices; not `info/alternates`, whose objects are packed up as well. */
function isObject(name: string): boolean {
  return /^[0-9a-f]{2}(\/[0-9a-f]+)?$/.test(name) || /^pack(\/pack-[0-9a-f]+\.(pack|idx|rev))?$/.test(name);
}

async function addTree(
  archive: Pack,
  folder: string,
  target: string,
  wanted: (name: string) => boolean,
  signal: AbortSignal,
  taken = new Set<string>(),
  below = "",
): Promise<void> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    signal.throwIfAborted();
    const name = below === "" ? entry.name : `${below}/${entry.name}`;
    if (!wanted(name)) continue;
    if (entry.isDirectory()) await addTree(archive, folder, target, wanted, signal, taken, name);
    if (!entry.isFile()) continue;
    await addFile(archive, join(folder, name), `${target}/${name}`);
    taken.add(name);
  }
}

/** One file, if it is there. A pack that git replaces meanwhile is still read to its end, since it is open. */
async function addFile(archive: Pack, path: string, name: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isFile()) return;
  if (found.size <= WHOLE_BYTES) {
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes) await written(archive, name, bytes);
    return;
  }
  const entry = archive.entry({ name, size: found.size, mode: 0o444 });
  await pipeline(createReadStream(path, { end: found.size - 1 }), entry);
}

function addText(archive: Pack, name: string, text: string): void {
  archive.entry({ name, mode: 0o444 }, text);
}

function addFolder(archive: Pack, name: string): void {
  archive.entry({ name, type: "directory", mode: 0o755 });
}

/** Waits while the reader is behind. */
function written(archive: Pack, name: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry({ name, mode: 0o444 }, Buffer.from(bytes), (error) => error ? reject(error) : resolve());
  });
}
