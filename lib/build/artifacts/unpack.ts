import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";

/** A file that is to be kept, as it was looked at. */
export interface Wanted {
  /** Its path from the folder in which globs start: the artifact's name. */
  readonly name: string;
  /** Where it lies in the workspace; no link is in it. */
  readonly path: string;
  readonly size: number;
}

/** The archive is not what it should be. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

export interface UnpackOptions {
  /** The path in the workspace that an entry of this name has. */
  pathOf(name: string): string;
  /** Entries that the archive may have, wanted or not. */
  readonly maxEntries: number;
  /** Takes one file. Its bytes have to be read to their end. */
  take(file: Wanted, mode: number, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}

/**
 * Hands on the wanted files of a tar archive, whose writer is not trusted: what counts is who asked for a file, not what the
 * archive says it is. Answers the wanted files that it did not have; of those in `linked` it had the file under another name.
 * Nothing is written by name here, so links, devices and names that lead elsewhere are passed over.
 *
 * Throws ArchiveError for an archive that is cut off, has too many entries, or has a wanted file with another size.
 */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  wanted: readonly Wanted[],
  { pathOf, maxEntries, take }: UnpackOptions,
): Promise<{ missing: Wanted[]; linked: Wanted[] }> {
  const left = new Map<string, Wanted[]>();
  for (const file of wanted) left.set(file.path, [...left.get(file.path) ?? [], file]);
  const seen = new Set<string>();
  const entries = extract();
  const source = new Remembered(archive);
  const feeding = pipeline(source.bytes(), entries as unknown as NodeJS.WritableStream);
  feeding.catch(() => {}); // what breaks it also breaks the entries
  let count = 0;
  const taking: { failure?: { error: unknown } } = {};
  try {
    for await (const entry of entries) {
      if (++count > maxEntries) throw new ArchiveError(`It has more than ${maxEntries} entries`);
      const { name, type, size = 0, mode = 0o644 } = entry.header;
      const path = pathOf(name);
      const files = left.get(path);
      const file = files?.[0];
      if (files && (type === "link" || type === "file")) seen.add(path);
      if (!file || type !== "file") {
        // tar-stream never ends the body of a folder that claims to have one, and reads on after it.
        if (type !== "directory") { for await (const _ of entry); }
        continue;
      }
      if (size !== file.size) throw new ArchiveError(`"${shorten(path)}" was changed while it was read`);
      files.shift();
      const body = new Remembered(entry as AsyncIterable<Uint8Array>);
      await take(file, mode & 0o777, body.bytes()).catch((error) => {
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

/** A path for a message. */
export const shorten = (path: string): string =>
  path.length > 200 ? `${path.slice(0, 100)}…${path.slice(-100)}` : path;

/** Bytes that remember what broke them: whoever reads them may throw something else for that. */
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
