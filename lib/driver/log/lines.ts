import type { Clock } from "../../base/clock.ts";
import { type Mask, redact, type Scanner, type Spans } from "./mask/mask.ts";

/** The longest line that is not split, bytes. */
export const MAX_LINE_BYTES = 64 * 1024;

/** How often a line that a process keeps overwriting (a progress bar) is written, milliseconds. */
const PROGRESS_MS = 1000;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Takes one masked line: `bytes[start, end)`, valid during the call only. With `goesOn` it is a piece of a
 * line longer than MAX_LINE_BYTES, and the next piece follows.
 */
export type TakeLine = (bytes: Uint8Array, start: number, end: number, goesOn: boolean) => void;

/**
 * Splits one stream of output into lines and masks them, however the stream is cut into chunks. `\r\n` ends a
 * line as `\n` does. Text that is overwritten after a bare `\r` is written once a second at most; the last
 * text always is. A line that is too long is split into pieces, never inside a character; a secret that spans
 * two pieces is masked in both.
 */
export class LineCutter {
  readonly #take: TakeLine;
  readonly #scanner: Scanner;
  /** Bytes to read beyond the longest line, to see whether a secret spans its end. */
  readonly #ahead: number;
  readonly #clock: Clock;
  /** The bytes of the current line so far, without pieces that were already taken. */
  #held = new Uint8Array(1024);
  #length = 0;
  /** How many of the held bytes belong to a secret that began in the previous piece. */
  #covered = 0;
  /** A `\r` was read, and the byte after it is not known yet. */
  #returned = false;
  #shownAt = Number.NEGATIVE_INFINITY;

  constructor(options: { take: TakeLine; mask: Mask; clock: Clock }) {
    this.#take = options.take;
    this.#scanner = options.mask.scanner();
    this.#ahead = Math.max(options.mask.longest, 4);
    this.#clock = options.clock;
  }

  /** Reads `chunk` from `from` until its end or until `isFull()` is true; returns the offset reached. */
  feed(chunk: Uint8Array, from: number, isFull: () => boolean): number {
    let at = from;
    this.#scanner.enter(chunk);
    let newline = chunk.indexOf(NEWLINE, at);
    let carriage = chunk.indexOf(RETURN, at);
    while (at < chunk.length) {
      const end = newline < 0 ? chunk.length : newline;
      if (carriage >= 0 && carriage < at) carriage = chunk.indexOf(RETURN, at);
      const hasReturn = carriage >= 0 && carriage < end;
      if (newline >= 0 && this.#length === 0 && !hasReturn && end - at <= MAX_LINE_BYTES) {
        this.#emit(chunk, at, end, this.#scanner.findInChunk(chunk, at, end));
        at = end + 1;
      } else {
        // At most one long line at a time, so that `isFull` is called within a huge chunk.
        const part = Math.min(end, at + MAX_LINE_BYTES);
        this.#hold(chunk, at, part, hasReturn);
        at = part;
        if (part === newline) {
          this.#end();
          at++;
        }
      }
      if (newline >= 0 && newline < at) newline = chunk.indexOf(NEWLINE, at);
      if (isFull()) break;
    }
    return at;
  }

  /** Ends the current line as a newline would, unless it is empty. */
  flush(): void {
    if (this.#length > 0) this.#end();
    this.#returned = false;
  }

  #end(): void {
    while (this.#length > MAX_LINE_BYTES) this.#cut();
    this.#emit(this.#held, 0, this.#length, this.#spans());
    this.#forget();
  }

  #forget(): void {
    this.#length = 0;
    this.#covered = 0;
    this.#returned = false;
  }

  #hold(bytes: Uint8Array, start: number, end: number, hasReturn: boolean): void {
    let at = start;
    while (at < end) {
      if (this.#returned) {
        if (bytes[at] === RETURN) {
          at++;
          continue;
        }
        this.#overwrite();
      }
      const found = hasReturn ? bytes.indexOf(RETURN, at) : -1;
      const stop = found < 0 || found > end ? end : found;
      this.#append(bytes, at, stop);
      at = stop;
      if (at < end) {
        this.#returned = true;
        at++;
      }
    }
  }

  /**
   * Called before text is overwritten after a `\r`: writes the text unless that was done within the last
   * second.
   */
  #overwrite(): void {
    const now = this.#clock();
    if (this.#length > 0 && now - this.#shownAt >= PROGRESS_MS) {
      this.#shownAt = now;
      this.#end();
    }
    this.#forget();
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const most = MAX_LINE_BYTES + this.#ahead;
    let at = start;
    while (at < end) {
      const count = Math.min(end - at, most - this.#length);
      this.#reserve(this.#length + count);
      this.#held.set(bytes.subarray(at, at + count), this.#length);
      this.#length += count;
      at += count;
      if (this.#length === most) this.#cut();
    }
  }

  #cut(): void {
    let at = MAX_LINE_BYTES;
    for (let back = 0; back < 3 && ((this.#held[at] as number) & 0xc0) === 0x80; back++) at--;
    const spans = this.#spans(true);
    this.#emit(this.#held, 0, at, spans, true);
    this.#covered = 0;
    for (let i = 0; i < spans.length; i += 2) {
      if ((spans[i] as number) < at) this.#covered = Math.max(0, (spans[i + 1] as number) - at);
    }
    this.#held.copyWithin(0, at, this.#length);
    this.#length -= at;
  }

  #spans(goesOn = false): Spans {
    return this.#scanner.find(this.#held, 0, this.#length, { covered: this.#covered, goesOn });
  }

  #emit(bytes: Uint8Array, start: number, end: number, spans: Spans, goesOn = false): void {
    if (spans.length === 0) return this.#take(bytes, start, end, goesOn);
    const masked = redact(bytes, start, end, spans);
    this.#take(masked, 0, masked.length, goesOn);
  }

  #reserve(size: number): void {
    if (size <= this.#held.length) return;
    const larger = new Uint8Array(Math.max(size, this.#held.length * 4));
    larger.set(this.#held.subarray(0, this.#length));
    this.#held = larger;
  }
}
