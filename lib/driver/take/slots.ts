import { abortable } from "../../base/signals.ts";

/** How many events may be worked on at once, and how many are. */
export class Slots {
  readonly count: number;
  #taken = 0;
  #change = Promise.withResolvers<void>();

  constructor(count: number) {
    this.count = count;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a slot; false where none is free. */
  take(): boolean {
    if (this.#taken >= this.count) return false;
    this.#taken++;
    this.changed();
    return true;
  }

  release(): void {
    this.#taken--;
    this.changed();
  }

  /** Resolves when a slot is taken or released, or somebody says `changed`. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Resolves when `holds` does; looks at every change. Throws `signal.reason`. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    while (!holds()) await abortable(this.change, signal);
  }

  /** Resolves when all are free. */
  async idle(): Promise<void> {
    while (this.#taken > 0) await this.change;
  }
}
