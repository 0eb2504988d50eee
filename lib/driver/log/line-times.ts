const MS_DIGITS = "2026-01-01T00:00:00.000".length;
const BELOW_MS = 1_000_000;

/**
 * Makes RFC 3339 timestamps in UTC with nine digits after the second. Each is greater than the one before, so
 * that sorting them as text keeps the lines' order. The digits below the millisecond are only a counter.
 */
export class LineTimes {
  #ms = Number.NEGATIVE_INFINITY;
  #text = "";
  #count = 0;

  /**
   * Returns the timestamp of a line of that time (`2026-01-01T00:00:00.000Z`), or the next one after the
   * previous line's if that time is not later.
   */
  next(time: string): string {
    const ms = Date.parse(time);
    if (ms > this.#ms) this.#begin(ms);
    else if (++this.#count === BELOW_MS) this.#begin(this.#ms + 1);
    return `${this.#text}${String(this.#count).padStart(6, "0")}Z`;
  }

  #begin(ms: number): void {
    this.#ms = ms;
    this.#text = new Date(ms).toISOString().slice(0, MS_DIGITS);
    this.#count = 0;
  }
}
