export interface GarbageOptions {
  /** Has the runtime free unused memory now. */
  readonly collect?: () => void;
  /** Returns the size of the heap, bytes. */
  readonly heapBytes?: () => number;
}

/**
 * Keeps buffers that data arrive in from piling up: Bun frees them late, and some 100 MiB of them wait while
 * a large file passes. So it is told to free them each time a number of bytes has arrived. That stops the
 * process for longer the larger the heap is, so the number grows with the heap, and all connections to a
 * daemon share one count. Other runtimes have no such call, and do without.
 */
export class Garbage {
  readonly #collect: () => void;
  readonly #heapBytes: () => number;
  #bytes = 0;
  #most: number | undefined;

  constructor(
    { collect = collectNow, heapBytes = () => process.memoryUsage().heapUsed }: GarbageOptions = {},
  ) {
    this.#collect = collect;
    this.#heapBytes = heapBytes;
  }

  /** Counts bytes that were read and are not needed any more. */
  add(bytes: number): void {
    this.#most ??= this.#enough();
    this.#bytes += bytes;
    if (this.#bytes < this.#most) return;
    this.#bytes = 0;
    this.#collect();
    this.#most = this.#enough();
  }

  #enough(): number {
    return Math.max(LEAST_BYTES, this.#heapBytes() * 2);
  }
}

/** With a small heap, collecting takes a few hundredths of the time that so much data take to arrive. */
const LEAST_BYTES = 64 * 1024 * 1024;

/** No `node:` module has this. */
const collectNow = (): void => (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
