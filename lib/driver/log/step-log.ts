import { Buffer } from "node:buffer";
import { type Clock, systemClock } from "../../base/clock.ts";
import { formatSize } from "../../base/units.ts";
import { Retryable } from "../../base/errors.ts";
import { isFull } from "../../base/retry.ts";
import { MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import type { LogStream } from "../../wire/messages.ts";
import type { StepLog } from "../driver.ts";
import { Batches, type BatchesOptions } from "./batches.ts";
import { MOST_PER_BYTE } from "./encode.ts";
import { LineCutter, MAX_LINE_BYTES } from "./lines.ts";
import type { Mask } from "./mask/mask.ts";
import { Pace } from "./pace.ts";
import { type LogFields, Prefixes } from "./prefixes.ts";

export interface StepLogOptions extends Omit<BatchesOptions, "maxBatchBytes"> {
  readonly fields: LogFields;
  readonly mask: Mask;
  /** Output beyond this is counted but not stored. The driver's own lines are always stored. */
  readonly maxBytes: number;
  /** The most lines of output per second; a faster writer waits. Default: no limit. */
  readonly maxLinesPerSecond?: number | undefined;
  /** The most bytes of a stored message; longer lines are split. Default: MAX_MESSAGE_BYTES. */
  readonly maxMessageBytes?: number;
  readonly clock?: Clock;
}

/** A step's log that can be finished. */
export interface OpenStepLog extends StepLog {
  /**
   * Resolves once every line is stored, including a last one without its newline. Later lines are dropped.
   * Throws what `store` threw.
   */
  finish(): Promise<void>;
}

const cutMark = (bytes: number): Buffer =>
  Buffer.from(` … [cut at ${formatSize(bytes).replace(".0 ", " ")}, goes on in the next line]`);
/** Bytes reserved for a line's Log object around its text, and for the mark of a split line. */
const LINE_ROOM_BYTES = 2048;
const DONE = Promise.resolve();

/** Opens the log of one attempt of a step. */
export function openStepLog(options: StepLogOptions): OpenStepLog {
  return new BatchedStepLog(options);
}

class BatchedStepLog implements OpenStepLog {
  readonly #batches: Batches;
  readonly #prefixes: Prefixes;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** The longest piece of a line, bytes: short enough for a message even if every byte is escaped. */
  readonly #maxLineBytes: number;
  readonly #mask: Mask;
  readonly #cutters: Partial<Record<LogStream, LineCutter>> = {};
  /** Waiting writers, by stream: the next writer of the same stream waits for them. */
  readonly #busy: Partial<Record<LogStream, Promise<void>>> = {};
  readonly #pace: Pace | undefined;
  readonly #isFull = () => this.#batches.isFull || this.#pace?.isOver === true;
  #kept = 0;
  #isOver = false;
  #lost = { lines: 0, bytes: 0 };

  constructor(options: StepLogOptions) {
    const { maxMessageBytes = MAX_MESSAGE_BYTES } = options;
    this.#batches = new Batches({ ...options, maxBatchBytes: maxMessageBytes });
    this.#maxLineBytes = Math.min(
      MAX_LINE_BYTES,
      Math.floor((maxMessageBytes - LINE_ROOM_BYTES) / MOST_PER_BYTE),
    );
    this.#prefixes = new Prefixes(options.fields);
    this.#clock = options.clock ?? systemClock;
    this.#mask = options.mask;
    this.#maxBytes = options.maxBytes;
    const { maxLinesPerSecond } = options;
    this.#pace = maxLinesPerSecond === undefined ? undefined : new Pace(maxLinesPerSecond);
  }

  line(text: string): Promise<void> {
    const writing = this.#write("system", Buffer.from(text.endsWith("\n") ? text : `${text}\n`));
    if (writing === DONE) return DONE;
    const written = writing.catch((error) => {
      // Cleanup goes on if there is no room for its log; the end of the log says so.
      if (!(error instanceof Retryable && isFull(error))) throw error;
    });
    // `finish` throws the error too. If the caller does not await this, the rejection must not end the
    // process.
    written.catch(() => {});
    return written;
  }

  write(stream: Exclude<LogStream, "system">, data: Uint8Array): Promise<void> {
    return this.#write(stream, data);
  }

  async endLines(): Promise<void> {
    await Promise.all(Object.values(this.#busy));
    this.#prefixes.at(this.#clock());
    for (const cutter of Object.values(this.#cutters)) cutter.flush();
    await this.#batches.room();
  }

  recent(count: number): string[] {
    return this.#batches.recent(count);
  }

  async finish(): Promise<void> {
    await this.endLines();
    const { lines, bytes } = this.#lost;
    if (lines > 0) {
      await this.line(`${lines} lines (${formatSize(bytes)}) were not kept: the log had reached its limit`);
    }
    this.#isOver = true;
    await this.#batches.flush();
  }

  #write(stream: LogStream, data: Uint8Array): Promise<void> {
    if (this.#isOver) return DONE;
    const before = this.#busy[stream];
    if (before) return this.#wait(stream, before.then(() => this.#feed(stream, data, 0)));
    this.#prefixes.at(this.#clock());
    const at = this.#cutter(stream).feed(data, 0, this.#isFull);
    if (!this.#isFull()) return DONE;
    return this.#wait(stream, this.#feed(stream, data, at));
  }

  #cutter(stream: LogStream): LineCutter {
    return this.#cutters[stream] ??= new LineCutter({
      mask: this.#mask,
      clock: this.#clock,
      take: (bytes, start, end, goesOn) => this.#take(stream, bytes, start, end, goesOn),
    });
  }

  async #feed(stream: LogStream, data: Uint8Array, from: number): Promise<void> {
    for (let at = from;;) {
      await this.#batches.room();
      await this.#pace?.room();
      if (at >= data.length) return;
      this.#prefixes.at(this.#clock());
      at = this.#cutter(stream).feed(data, at, this.#isFull);
    }
  }

  #wait(stream: LogStream, writing: Promise<void>): Promise<void> {
    const waiting = writing.finally(() => {
      if (this.#busy[stream] === waiting) delete this.#busy[stream];
    });
    // `finish` throws the error too. If the caller does not await this, the rejection must not end the
    // process.
    waiting.catch(() => {});
    return this.#busy[stream] = waiting;
  }

  #take(stream: LogStream, bytes: Uint8Array, start: number, end: number, goesOn: boolean): void {
    let at = start;
    while (end - at > this.#maxLineBytes) {
      const cut = endOfCharacter(bytes, at + this.#maxLineBytes);
      this.#add(stream, bytes, at, cut, true);
      at = cut;
    }
    this.#add(stream, bytes, at, end, goesOn);
  }

  #add(stream: LogStream, bytes: Uint8Array, start: number, end: number, goesOn: boolean): void {
    if (stream !== "system") this.#pace?.count();
    const isKept = stream === "system" || this.#fits(end - start + 1);
    this.#batches.discard(!isKept);
    if (!goesOn) return this.#batches.add(this.#prefixes.of(stream), bytes, start, end);
    const marked = Buffer.concat([bytes.subarray(start, end), cutMark(this.#maxLineBytes)]);
    this.#batches.add(this.#prefixes.of(stream), marked, 0, marked.length);
  }

  /** Counts a line of output as stored or lost. Once a line did not fit, no later one does. */
  #fits(size: number): boolean {
    if (this.#lost.lines === 0 && this.#kept + size <= this.#maxBytes) {
      this.#kept += size;
      return true;
    }
    if (this.#lost.lines === 0) {
      const note = Buffer.from(
        `The log has reached its limit of ${
          formatSize(this.#maxBytes)
        }: what follows is counted and not kept`,
      );
      this.#batches.add(this.#prefixes.of("system"), note, 0, note.length);
    }
    this.#lost.lines++;
    this.#lost.bytes += size;
    return false;
  }
}

/** Returns `at`, or the start of the UTF-8 character that spans it. */
function endOfCharacter(bytes: Uint8Array, at: number): number {
  let end = at;
  for (let back = 0; back < 3 && ((bytes[end] as number) & 0xc0) === 0x80; back++) end--;
  return end;
}
