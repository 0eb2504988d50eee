const MS_DIGITS = "2026-01-01T00:00:00.000".length;
const BELOW_MS = 1_000_000;

/**
 * RFC 3339 time stamps in UTC with nine digits after the second, each greater than the one before, so that the order of
 * their texts is the order in which they were asked for. The digits below the millisecond only count.
 */
export class LineTimes {
  #ms = Number.NEGATIVE_INFINITY;
  #text = "";
  #count = 0;

  /** The next time stamp, for a line of that time (`2026-01-01T00:00:00.000Z`), or just after the one before it. */
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
