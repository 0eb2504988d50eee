import { abortable } from "../../base/signals.ts";

/**
 * This many events may wait for their result or ack while the next ones are worked on, even with fewer slots.
 */
const LEAST_UNSETTLED = 4;

/** Counts the events that are worked on, against the most allowed. */
export class Slots {
  readonly count: number;
  #taken = 0;
  #unsettled = 0;
  #change = Promise.withResolvers<void>();

  constructor(count: number) {
    this.count = count;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Events that are worked on, and those whose result is still being sent. */
  get inHand(): number {
    return this.#taken + this.#unsettled;
  }

  /** Whether there is room for one more event in addition to `open` requests. */
  hasRoom(open: number): boolean {
    return this.#taken + open < this.count && this.#unsettled < Math.max(LEAST_UNSETTLED, this.count);
  }

  /** Takes a slot; undefined if none is free. */
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

  /** Resolves when a slot is taken or freed, or `changed` is called. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Resolves once `holds()` is true; re-evaluated on every change. Throws `signal.reason`. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    while (!holds()) await abortable(this.change, signal);
  }

  /** Resolves once no event is in hand. */
  async idle(): Promise<void> {
    while (this.inHand > 0) await this.change;
  }
}

/** An event's slot. */
export interface Slot {
  /** Call when the work is done: another event may start while this one's result is sent. */
  free(): void;
  /** Call once, when the event is settled. */
  end(): void;
}
