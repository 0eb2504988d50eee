import { monotonicClock } from "../../base/clock.ts";
import { delay } from "../../base/signals.ts";

/** How many milliseconds' worth of lines may be written at once after a silence. */
const BURST_MS = 1000;

/** Limits lines per second: faster writers wait. */
export class Pace {
  readonly #perMs: number;
  readonly #most: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  constructor(linesPerSecond: number, now: () => number = monotonicClock) {
    this.#perMs = linesPerSecond / 1000;
    this.#most = Math.max(1, this.#perMs * BURST_MS);
    this.#now = now;
    this.#left = this.#most;
    this.#at = now();
  }

  /** Counts a written line. */
  count(): void {
    this.#left--;
  }

  /** True while writers should wait. */
  get isOver(): boolean {
    return this.waitMs > 0;
  }

  /** Milliseconds until the next line may be written. */
  get waitMs(): number {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#left >= 1 ? 0 : Math.ceil((1 - this.#left) / this.#perMs);
  }

  /** Resolves once the next line may be written. */
  async room(): Promise<void> {
    for (let ms = this.waitMs; ms > 0; ms = this.waitMs) await delay(Math.max(ms, SHORTEST_MS));
  }
}

/** The shortest pause, milliseconds: fewer and longer pauses cost less. */
const SHORTEST_MS = 20;
