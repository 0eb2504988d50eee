/**
 * Buffers of one size that are used again once nobody holds data in them. Runtimes free buffers late, so a
 * new one for each batch would let the memory of a long log grow.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  /** How often each buffer is held. */
  readonly #holds = new Map<ArrayBufferLike, number>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Returns a buffer with undefined content, of the pool's size or of `least` if that is more. */
  take(least: number): Uint8Array<ArrayBuffer> {
    if (least > this.#size) return new Uint8Array(least);
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  /** Keeps the buffer of these data from being used again. */
  hold({ buffer }: Uint8Array): void {
    this.#holds.set(buffer, (this.#holds.get(buffer) ?? 0) + 1);
  }

  /** Ends one `hold` of these data. */
  release({ buffer }: Uint8Array): void {
    const left = (this.#holds.get(buffer) ?? 0) - 1;
    if (left > 0) return void this.#holds.set(buffer, left);
    this.#holds.delete(buffer);
    if (buffer.byteLength === this.#size) this.#free.push(new Uint8Array(buffer as ArrayBuffer));
  }
}
