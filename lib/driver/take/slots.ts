import { abortable } from "../../base/signals.ts";

/** However few slots there are, so many events may be without their result or ack while the next ones are worked on. */
const LEAST_UNSETTLED = 4;

/** How many events may be worked on at once, and how many are. */
export class Slots {
  readonly count: number;
  #taken = 0;
  #unsettled = 0;
  #change = Promise.withResolvers<void>();

  constructor(count: number) {
    this.count = count;
  }

  /** Events that are worked on. */
  get taken(): number {
    return this.#taken;
  }

  /** Events that are worked on, and those whose work is done but whose result is still on its way. */
  get inHand(): number {
    return this.#taken + this.#unsettled;
  }

  /** Whether one event more could be begun with when `open` others come as well. */
  hasRoom(open: number): boolean {
    return this.#taken + open < this.count && this.#unsettled < Math.max(LEAST_UNSETTLED, this.count);
  }

  /** Takes a slot; undefined where none is free. */
  take(): Slot | undefined {
    if (this.#taken >= this.count) return undefined;
    this.#taken++;
    this.changed();
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#taken--;
        this.#unsettled++;
        this.changed();
      },
      end: () => {
        if (isFree) this.#unsettled--;
        else this.#taken--;
        this.changed();
      },
    };
  }

  /** Resolves when a slot is taken or free again, or somebody says `changed`. */
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

  /** Resolves when nothing is in hand. */
  async idle(): Promise<void> {
    while (this.inHand > 0) await this.change;
  }
}

/** An event's slot. */
export interface Slot {
  /** The work is done: another event may begin while this one's result is sent. */
  free(): void;
  /** The event is settled. To be called once. */
  end(): void;
}
