import type { LogStream } from "../../wire/messages.ts";

/** What all lines of one step have in common. */
export interface LogFields {
  readonly run: string;
  readonly driver: string;
  readonly step: string;
  readonly pipeline?: string | undefined;
}

const TIME_DIGITS = "2026-01-01T00:00:00.000Z".length;
const encoder = new TextEncoder();

/**
 * Log objects as JSON up to the text of their `message`, which stands last for that. Only the time changes from line to
 * line; it never goes back, so that the order of the lines is also that of their time stamps.
 */
export class Prefixes {
  readonly #bytes: Readonly<Record<LogStream, Uint8Array>>;
  readonly #timeAt: number;
  #now = Number.NEGATIVE_INFINITY;

  constructor({ run, driver, pipeline, step }: LogFields) {
    const head = JSON.stringify({ runid: run, driver, pipeline, timestamp: "" }).slice(0, -2);
    this.#timeAt = encoder.encode(head).length;
    const prefix = (stream: LogStream) => {
      const tail = JSON.stringify({ step, stream, message: "" }).slice(1, -2);
      return encoder.encode(`${head}${" ".repeat(TIME_DIGITS)}",${tail}`);
    };
    this.#bytes = { stdout: prefix("stdout"), stderr: prefix("stderr"), system: prefix("system") };
  }

  /** The lines from now on have this time, milliseconds since the epoch. */
  at(now: number): void {
    if (now <= this.#now) return;
    this.#now = now;
    const time = encoder.encode(new Date(now).toISOString());
    for (const bytes of Object.values(this.#bytes)) bytes.set(time, this.#timeAt);
  }

  of(stream: LogStream): Uint8Array {
    return this.#bytes[stream];
  }
}
