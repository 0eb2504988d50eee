import { type FileHandle, open, writeFile } from "node:fs/promises";

/** A file up to this size is made by one call. */
const SMALL_BYTES = 256 * 1024;

/** Writes a file that must not exist yet. A small one is made by one call, at its end. */
export class NewFile implements AsyncDisposable {
  readonly #path: string;
  readonly #mode: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #handle: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `mode` is the permission bits, from which the umask takes some away. */
  constructor(path: string, mode: number) {
    this.#path = path;
    this.#mode = mode;
  }

  /**
   * Takes a copy of the chunk. Resolves when there is room for the next one; this one may still be on its
   * way.
   */
  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(new Uint8Array(chunk));
    this.#bytes += chunk.length;
    if (this.#bytes <= SMALL_BYTES) return;
    await this.#writing;
    this.#handle ??= await open(this.#path, "wx", this.#mode);
    this.#writing = writeAll(this.#handle, this.#take());
    this.#writing.catch(() => {});
  }

  /** Resolves when everything is written. */
  async end(): Promise<void> {
    await this.#writing;
    if (this.#handle) return;
    await writeFile(this.#path, Buffer.concat(this.#take()), { flag: "wx", mode: this.#mode });
  }

  /** Closes the file; without `end`, parts of it may be missing. */
  async [Symbol.asyncDispose](): Promise<void> {
    // A handle must not be closed while it is written to.
    await this.#writing.catch(() => {});
    await this.#handle?.close();
  }

  #take(): Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}

async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) {
    for (let written = 0; written < chunk.length;) {
      written += (await handle.write(chunk, written, chunk.length - written)).bytesWritten;
    }
  }
}
