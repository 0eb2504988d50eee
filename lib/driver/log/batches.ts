import { parseOwnJson } from "../../base/json.ts";
import { setImmediate } from "node:timers/promises";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import { BufferPool } from "./buffer-pool.ts";
import { encodeText, MOST_PER_BYTE } from "./encode.ts";

/** Consecutive lines of one step as stored: newline-delimited Log objects. */
export interface Batch {
  /** Ordinal of the first line in this step's attempt, from 1. */
  readonly first: number;
  readonly lines: number;
  readonly data: Uint8Array;
}

export interface BatchesOptions {
  /**
   * Stores batches in order; not called again until it has resolved. An error is final. Must not use the
   * batches' data after it has resolved: their buffers are used again.
   */
  readonly store: (batches: readonly Batch[]) => Promise<void>;
  /** How long a line waits for others before it is stored, milliseconds. */
  readonly waitMs?: number;
  /** The most bytes of a batch (default and at most 64 KiB). */
  readonly maxBatchBytes?: number;
}

/** A batch is closed before it grows larger; a single line that is larger is a batch of its own. */
const BATCH_BYTES = 64 * 1024;
/** How much may wait to be stored before writers have to wait, bytes. */
const BUFFER_BYTES = 1024 * 1024;
/** How much of the log is remembered for `recent`, bytes. */
const RECENT_BYTES = 256 * 1024;
const WAIT_MS = 50;
/** The most batches that are stored at once. Storing starts at this many, or after the wait. */
const AT_ONCE = 8;

const SUFFIX = new TextEncoder().encode('"}\n');
const decoder = new TextDecoder();

/**
 * Gathers lines into batches and stores the batches strictly in order. After `discard` lines are only
 * remembered for `recent`.
 */
export class Batches {
  readonly #store: BatchesOptions["store"];
  readonly #waitMs: number;
  readonly #batchBytes: number;
  #buffer = new Uint8Array(0);
  #length = 0;
  #lines = 0;
  #first = 1;
  #discards = false;
  #waiting: Batch[] = [];
  #waitingBytes = 0;
  readonly #buffers: BufferPool;
  #recent: Uint8Array[] = [];
  #recentBytes = 0;
  #timer: Timer | undefined;
  #isDue = false;
  #pump: Promise<void> | undefined;
  #wake: PromiseWithResolvers<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ store, waitMs = WAIT_MS, maxBatchBytes = BATCH_BYTES }: BatchesOptions) {
    this.#batchBytes = Math.min(BATCH_BYTES, maxBatchBytes);
    this.#buffers = new BufferPool(this.#batchBytes);
    this.#store = store;
    this.#waitMs = waitMs;
  }

  /**
   * Adds a line: its Log object as JSON up to the text of `message`, then that text. Does not wait: see
   * `isFull`.
   */
  add(prefix: Uint8Array, bytes: Uint8Array, start: number, end: number): void {
    const most = prefix.length + (end - start) * MOST_PER_BYTE + SUFFIX.length;
    if (this.#length + most > this.#batchBytes) this.#close();
    if (this.#buffer.length < most) this.#buffer = this.#buffers.take(most);
    const buffer = this.#buffer;
    buffer.set(prefix, this.#length);
    let at = encodeText(buffer, this.#length + prefix.length, bytes, start, end);
    for (let i = 0; i < SUFFIX.length; i++) buffer[at++] = SUFFIX[i] as number;
    this.#length = at;
    this.#lines++;
    this.#timer ??= startTimer(() => this.#due(), this.#waitMs);
  }

  /** True while writers should wait for `room`. */
  get isFull(): boolean {
    return this.#waitingBytes >= BUFFER_BYTES || this.#failure !== undefined;
  }

  /** Resolves once there is room. Throws what `store` threw. */
  async room(): Promise<void> {
    while (this.isFull) {
      if (this.#failure) throw this.#failure.error;
      this.#wake ??= Promise.withResolvers();
      await this.#wake.promise;
    }
  }

  /** Resolves once everything added is stored. Throws what `store` threw. */
  async flush(): Promise<void> {
    this.#close();
    stopTimer(this.#timer);
    this.#timer = undefined;
    this.#start();
    await this.#pump;
    if (this.#failure) throw this.#failure.error;
  }

  /** Sets whether lines added from now on are only remembered, not stored. */
  discard(discards: boolean): void {
    if (discards !== this.#discards) this.#close();
    this.#discards = discards;
  }

  /** Returns the messages of the last lines, newest last: at most `count`, or as many as 256 KiB hold. */
  recent(count: number): string[] {
    const messages: string[] = [];
    for (const data of [...this.#recent, this.#buffer.subarray(0, this.#length)].reverse()) {
      const lines = decoder.decode(data).split("\n").filter((line) => line !== "");
      for (const line of lines.reverse()) {
        if (messages.length >= count) return messages.reverse();
        messages.push(parseOwnJson<{ message: string }>(line).message);
      }
    }
    return messages.reverse();
  }

  /** Turns the gathered lines into a batch, which is stored when it is due. */
  #close(): void {
    if (this.#lines === 0) return;
    const data = this.#takeData();
    this.#remember(data);
    if (!this.#discards) {
      this.#buffers.hold(data);
      this.#waiting.push({ first: this.#first, lines: this.#lines, data });
      this.#waitingBytes += data.length;
      this.#first += this.#lines;
    }
    this.#lines = 0;
    if (this.#waiting.length >= AT_ONCE || this.isFull) this.#start();
  }

  #start(): void {
    if (this.#waiting.length > 0 && !this.#failure) this.#pump ??= this.#storeAll();
  }

  #takeData(): Uint8Array {
    const length = this.#length;
    this.#length = 0;
    // Copy a small batch, so that it does not keep the whole buffer in memory.
    if (length < this.#buffer.length / 2) return this.#buffer.slice(0, length - 1);
    const data = this.#buffer.subarray(0, length - 1);
    this.#buffer = new Uint8Array(0);
    return data;
  }

  #remember(data: Uint8Array): void {
    this.#buffers.hold(data);
    this.#recent.push(data);
    this.#recentBytes += data.length;
    while (this.#recent.length > 1 && this.#recentBytes > RECENT_BYTES) {
      const oldest = this.#recent.shift() as Uint8Array;
      this.#recentBytes -= oldest.length;
      this.#buffers.release(oldest);
    }
  }

  /** While the store is busy, lines keep gathering: the slower the store, the fuller the batches. */
  #due(): void {
    this.#timer = undefined;
    this.#isDue = this.#pump !== undefined;
    if (this.#isDue) return;
    this.#close();
    this.#start();
  }

  async #storeAll(): Promise<void> {
    try {
      for (;;) {
        const some = this.#waiting.splice(0, AT_ONCE);
        if (some.length === 0) break;
        await this.#store(some);
        for (const { data } of some) {
          this.#waitingBytes -= data.length;
          this.#buffers.release(data);
        }
        // Otherwise a store that resolves at once and a busy writer would keep timers from firing.
        if (some.length === AT_ONCE) await setImmediate();
        this.#awaken();
        if (!this.#isDue || this.#waiting.length > 0) continue;
        this.#isDue = false;
        this.#close();
      }
    } catch (error) {
      this.#failure = { error };
      this.#waiting = [];
      this.#awaken();
    } finally {
      this.#pump = undefined;
    }
  }

  #awaken(): void {
    this.#wake?.resolve();
    this.#wake = undefined;
  }
}
