import { pipeline } from "node:stream/promises";
import { mtimeField } from "../../wire/run.ts";

/** A file to keep, as it was listed. */
export interface Wanted {
  /** Its path relative to the folder in which globs start: the artifact's name. */
  readonly name: string;
  /** Its path in the workspace, without links. */
  readonly path: string;
  readonly size: number;
  /** Whether the time of its modification is kept. */
  readonly times?: boolean;
}

/** What is kept of a file beside its bytes. */
export interface Attributes {
  readonly mode: number;
  readonly mtime?: number;
}

/** The archive is invalid. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

export interface UnpackOptions {
  /** Returns the path in the workspace for an entry's name. */
  pathOf(name: string): string;
  /** Most entries in the archive, wanted or not. */
  readonly maxEntries: number;
  /** Takes one file. Must read its bytes to the end. */
  take(file: Wanted, attributes: Attributes, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}

/** The wanted files that an archive lacks. Those in `linked` it contains under another name. */
export interface Unpacked {
  readonly missing: Wanted[];
  readonly linked: Wanted[];
}

/**
 * Passes the wanted files of a tar archive to `take`. The archive's writer is not trusted: only entries that
 * match a wanted file count. Entries are never written to disk by name, so links, devices and names that lead
 * elsewhere are skipped.
 *
 * Throws ArchiveError if the archive is truncated, has too many entries, or has a wanted file with a
 * different size.
 */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  wanted: readonly Wanted[],
  { pathOf, maxEntries, take }: UnpackOptions,
): Promise<Unpacked> {
  const left = new Map<string, Wanted[]>();
  for (const file of wanted) left.set(file.path, [...left.get(file.path) ?? [], file]);
  const seen = new Set<string>();
  // No build needs it before its end.
  const { extract } = await import("tar-stream");
  const entries = extract();
  const source = new Remembered(archive);
  const feeding = pipeline(source.bytes(), entries as unknown as NodeJS.WritableStream);
  feeding.catch(() => {}); // what breaks it also breaks the entries
  let count = 0;
  const taking: { failure?: { error: unknown } } = {};
  try {
    for await (const entry of entries) {
      if (++count > maxEntries) throw new ArchiveError(`It has more than ${maxEntries} entries`);
      const { name, type, size = 0, mode = 0o644, mtime } = entry.header;
      const path = pathOf(name);
      const files = left.get(path);
      const file = files?.[0];
      if (files && (type === "link" || type === "file")) seen.add(path);
      if (!file || type !== "file") {
        // tar-stream never ends the body of a folder with a declared size, and continues after it.
        if (type !== "directory") { for await (const _ of entry); }
        continue;
      }
      if (size !== file.size) throw new ArchiveError(`"${shorten(path)}" was changed while it was read`);
      files.shift();
      const body = new Remembered(entry as AsyncIterable<Uint8Array>);
      const time = file.times && mtime ? mtimeField(mtime.getTime() / 1000) : {};
      await take(file, { mode: mode & 0o777, ...time }, body.bytes()).catch((error) => {
        if (!body.failure) taking.failure = { error };
        throw error;
      });
    }
    await feeding;
  } catch (error) {
    const foreign = source.failure ?? taking.failure;
    if (foreign) throw foreign.error;
    throw error instanceof ArchiveError
      ? error
      : new ArchiveError("It is damaged or cut off", { cause: error });
  } finally {
    entries.destroy();
    await feeding.catch(() => {});
  }
  const rest = [...left.values()].flat();
  return {
    missing: rest.filter(({ path }) => !seen.has(path)),
    linked: rest.filter(({ path }) => seen.has(path)),
  };
}

/** Shortens a path for a message. */
export function shorten(path: string): string {
  const characters = Array.from(path);
  if (characters.length <= 200) return path;
  return `${characters.slice(0, 100).join("")}…${characters.slice(-100).join("")}`;
}

/** A source of bytes that records its error: its reader may throw a different one. */
class Remembered {
  readonly #source: AsyncIterable<Uint8Array>;
  failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#source;
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}
