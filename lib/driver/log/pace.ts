import { monotonicClock } from "../../base/clock.ts";
import { delay } from "../../base/signals.ts";

/** How much may come at once after a silence, milliseconds' worth. */
const BURST_MS = 1000;

/** Keeps lines to so many a second: who writes faster waits. */
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

  /** A line has been written. */
  count(): void {
    this.#left--;
  }

  /** True while writers should wait. */
  get isOver(): boolean {
    return this.waitMs > 0;
  }

  /** Milliseconds until the next line may come. */
  get waitMs(): number {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#left >= 1 ? 0 : Math.ceil((1 - this.#left) / this.#perMs);
  }

  /** Resolves when the next line may come. */
  async room(): Promise<void> {
    for (let ms = this.waitMs; ms > 0; ms = this.waitMs) await delay(Math.max(ms, SHORTEST_MS));
  }
}

/** Fewer and longer pauses cost less. */
const SHORTEST_MS = 20;
