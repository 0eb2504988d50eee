import type { LogStream } from "../../wire/messages.ts";

/** What all lines of one step have in common. */
export interface LogFields {
  readonly run: string;
  readonly driver: string;
  readonly step: string;
  readonly pipeline?: string | undefined;
}

const encoder = new TextEncoder();

/**
 * Log objects as JSON up to the text of their `message`, which stands last for that. Only the time changes from line to
 * line; it never goes back, so that the order of the lines is also that of their time stamps. A stream costs nothing before
 * its first line.
 */
export class Prefixes {
  readonly #fields: LogFields;
  readonly #made: Partial<Record<LogStream, { readonly bytes: Uint8Array; readonly timeAt: number }>> = {};
  #now = Number.NEGATIVE_INFINITY;

  constructor(fields: LogFields) {
    this.#fields = fields;
  }

  /** The lines from now on have this time, milliseconds since the epoch. Told before the first line. */
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
