import type { LogStream } from "../../wire/messages.ts";

/** The fields that all lines of a step share. */
export interface LogFields {
  readonly run: string;
  readonly driver: string;
  readonly step: string;
  readonly pipeline?: string | undefined;
}

const encoder = new TextEncoder();

/**
 * Log objects as JSON up to the text of their `message`, which is therefore their last field. Only the time
 * changes between lines. It never goes back, so timestamps keep the lines' order. The prefix of a stream is
 * made with its first line.
 */
export class Prefixes {
  readonly #fields: LogFields;
  readonly #made: Partial<Record<LogStream, { readonly bytes: Uint8Array; readonly timeAt: number }>> = {};
  #now = Number.NEGATIVE_INFINITY;

  constructor(fields: LogFields) {
    this.#fields = fields;
  }

  /** Sets the time of the following lines, milliseconds since the epoch. Call it before the first line. */
  at(now: number): void {
    if (now <= this.#now) return;
    this.#now = now;
    for (const { bytes, timeAt } of Object.values(this.#made)) {
      encoder.encodeInto(this.#time, bytes.subarray(timeAt));
    }
  }

  of(stream: LogStream): Uint8Array {
    return (this.#made[stream] ??= this.#make(stream)).bytes;
  }

  #make(stream: LogStream): { bytes: Uint8Array; timeAt: number } {
    const { run: runid, driver, pipeline, step } = this.#fields;
    const head = JSON.stringify({ runid, driver, pipeline, timestamp: "" }).slice(0, -2);
    const tail = JSON.stringify({ step, stream, message: "" }).slice(1, -2);
    return { bytes: encoder.encode(`${head}${this.#time}",${tail}`), timeAt: encoder.encode(head).length };
  }

  get #time(): string {
    return new Date(this.#now).toISOString();
  }
}
