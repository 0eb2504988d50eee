import { nameOf } from "./file-name.ts";

/** A text exceeds its reader's limit. */
export class TooLong extends Error {
  override readonly name = "TooLong";
}

/** How many bytes may wait for the reader before the writer has to wait. */
const ROOM_BYTES = 256 * 1024;
/** Chunks that wait are joined up to this size: each chunk costs its readers more than its bytes do. */
const JOINED_BYTES = 256 * 1024;
/** Chunks from this size on are passed on as they are. */
const LARGE_BYTES = 64 * 1024;

/**
 * Passes bytes from a writer to a reader. The reader first takes one text at a time, then everything that is
 * left.
 */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  /** Holds the end of the last chunk, and room for more. */
  #buffer = new Uint8Array(0);
  #used = 0;
  #isEnded = false;
  #isLeft = false;
  #changed = Promise.withResolvers<void>();

  /**
   * Queues the chunk, which must not be changed afterwards. Resolves when there is room for more. Never
   * rejects.
   */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#isLeft) return;
    this.#append(chunk);
    this.#waiting += chunk.length;
    this.#change();
    while (this.#waiting > ROOM_BYTES && !this.#isLeft) await this.#changed.promise;
  }

  end(): void {
    this.#isEnded = true;
    this.#change();
  }

  /** Ends reading: drops what is queued and what is written later. */
  leave(): void {
    this.#isLeft = true;
    this.#take();
  }

  /**
   * Returns the text up to the next NUL, read as a file name, or undefined at the end. Throws TooLong if it
   * exceeds `maxBytes`.
   */
  async text(maxBytes: number): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const chunk = await this.#next();
      if (!chunk) return undefined;
      const end = chunk.indexOf(0);
      parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += parts.at(-1)?.length ?? 0;
      if (size > maxBytes) throw new TooLong();
      if (end < 0) continue;
      if (end + 1 < chunk.length) this.#putBack(chunk.subarray(end + 1));
      return nameOf(Buffer.concat(parts));
    }
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#next(); chunk; chunk = await this.#next()) yield chunk;
  }

  #append(chunk: Uint8Array): void {
    if (chunk.length >= LARGE_BYTES) return void this.#chunks.push(chunk);
    if (chunk.length > this.#buffer.length - this.#used) {
      this.#buffer = new Uint8Array(JOINED_BYTES);
      this.#used = 0;
    }
    let start = this.#used;
    this.#buffer.set(chunk, start);
    this.#used += chunk.length;
    const last = this.#chunks.at(-1);
    if (last?.buffer === this.#buffer.buffer) {
      start = last.byteOffset;
      this.#chunks.pop();
    }
    this.#chunks.push(this.#buffer.subarray(start, this.#used));
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#waiting -= chunk.length;
        this.#change();
        return chunk;
      }
      if (this.#isEnded || this.#isLeft) return undefined;
      await this.#changed.promise;
    }
  }

  #putBack(chunk: Uint8Array): void {
    this.#chunks.unshift(chunk);
    this.#waiting += chunk.length;
  }

  #take(): void {
    this.#chunks = [];
    this.#waiting = 0;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Joins a stream's chunks into pieces of up to 256 KiB; a larger chunk stays whole. They are copies. */
export async function* joined(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(JOINED_BYTES);
  let used = 0;
  for await (const chunk of source) {
    if (chunk.length > buffer.length - used) {
      if (used > 0) yield buffer.subarray(0, used);
      buffer = new Uint8Array(Math.max(JOINED_BYTES, chunk.length));
      used = 0;
    }
    buffer.set(chunk, used);
    used += chunk.length;
  }
  if (used > 0) yield buffer.subarray(0, used);
}

/** Yields pieces that are already in memory. */
export async function* inPieces(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
