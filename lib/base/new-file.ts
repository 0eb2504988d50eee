import { type FileHandle, open, writeFile } from "node:fs/promises";

/** A file up to this size is made by one call. */
const SMALL_BYTES = 256 * 1024;
/** A larger file is written in pieces of this size. */
const PIECE_BYTES = 256 * 1024;

/** Writes a file that must not exist yet. A small one is made by one call, at its end. */
export class NewFile implements AsyncDisposable {
  readonly #path: string;
  readonly #mode: number;
  /** Copies of the chunks of a file that is small so far. */
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #pieces: Pieces | undefined;

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
    this.#bytes += chunk.length;
    if (this.#bytes <= SMALL_BYTES) return void this.#chunks.push(new Uint8Array(chunk));
    if (!this.#pieces) {
      this.#pieces = new Pieces(await open(this.#path, "wx", this.#mode));
      for (const first of this.#chunks.splice(0)) await this.#pieces.add(first);
    }
    await this.#pieces.add(chunk);
  }

  /** Resolves when everything is written. */
  async end(): Promise<void> {
    if (this.#pieces) return await this.#pieces.flush();
    await writeFile(this.#path, Buffer.concat(this.#chunks), { flag: "wx", mode: this.#mode });
  }

  /** Closes the file; without `end`, parts of it may be missing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces?.[Symbol.asyncDispose]();
  }
}

/**
 * Writes a file in large pieces. It fills one buffer while the other one is written, and allocates no more:
 * collectors free buffers late, so a new one for each chunk would take as much memory as the file is large.
 * The first piece is waited for instead, so that a file of up to two pieces needs one buffer only.
 */
class Pieces implements AsyncDisposable {
  readonly #handle: FileHandle;
  #filling = new Uint8Array(PIECE_BYTES);
  #other: Uint8Array<ArrayBuffer> | undefined;
  #used = 0;
  #isFirst = true;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#used === PIECE_BYTES) await this.#next();
      const part = chunk.subarray(at, at + PIECE_BYTES - this.#used);
      this.#filling.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  async flush(): Promise<void> {
    await this.#writing;
    await this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A handle must not be closed while it is written to.
    await this.#writing.catch(() => {});
    await this.#handle.close();
  }

  /** Begins to write the filled buffer once the other one is written. */
  async #next(): Promise<void> {
    await this.#writing;
    const written = this.#write();
    if (this.#isFirst) {
      this.#isFirst = false;
      return await written;
    }
    [this.#filling, this.#other] = [this.#other ?? new Uint8Array(PIECE_BYTES), this.#filling];
  }

  #write(): Promise<void> {
    this.#writing = writeAll(this.#handle, this.#filling.subarray(0, this.#used));
    this.#used = 0;
    this.#writing.catch(() => {});
    return this.#writing;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}
