import { abortable } from "../base/signals.ts";

/** How many events may be worked on at once, and how many are. */
export class Hands {
  readonly #count: number;
  #taken = 0;
  #freed = Promise.withResolvers<void>();

  constructor(count: number) {
    this.#count = count;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a hand; false where none is free. */
  take(): boolean {
    if (this.#taken >= this.#count) return false;
    this.#taken++;
    return true;
  }

  release(): void {
    this.#taken--;
    this.#freed.resolve();
    this.#freed = Promise.withResolvers();
  }

  /** Resolves when a hand is free; nobody is promised to get it. */
  async free(signal: AbortSignal): Promise<void> {
    while (this.#taken >= this.#count) await abortable(this.#freed.promise, signal);
  }

  /** Resolves when all are free. */
  async idle(): Promise<void> {
    while (this.#taken > 0) await this.#freed.promise;
  }
}
