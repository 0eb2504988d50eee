/** A text is longer than its reader allows. */
export class TooLong extends Error {
  override readonly name = "TooLong";
}

/** What may wait to be read before who writes is made to wait as well, bytes. */
const ROOM_BYTES = 1024 * 1024;

/** Bytes from a writer to a reader, who first takes texts one at a time and then all that is left. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #isEnded = false;
  #isLeft = false;
  #changed = Promise.withResolvers<void>();

  /** Resolves when there is room for more. A copy is kept. Never rejects. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#isLeft) return;
    this.#chunks.push(chunk.slice());
    this.#waiting += chunk.length;
    this.#change();
    while (this.#waiting > ROOM_BYTES && !this.#isLeft) await this.#changed.promise;
  }

  end(): void {
    this.#isEnded = true;
    this.#change();
  }

  /** Nobody reads any more: what is written is dropped. */
  leave(): void {
    this.#isLeft = true;
    this.#take();
  }

  /** The text up to the next NUL; undefined at the end. Throws TooLong where it has more than `maxBytes`. */
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
      return Buffer.concat(parts).toString("utf8");
    }
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#next(); chunk; chunk = await this.#next()) yield chunk;
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

/** What is in memory already, as a source of bytes. */
export async function* inPieces(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
