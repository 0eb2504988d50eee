import type { Delivery } from "../../backend/transport.ts";
import type { Slots } from "./slots.ts";

/**
 * Resolves with true once there is room for one event more than `inHand`. With `here`, an event that has
 * arrived, resolves at once, with false if there is no room for it. Throws `signal.reason`.
 */
export type Admit = (
  inHand: number,
  options: { here?: Delivery; signal: AbortSignal },
) => Promise<boolean>;

/**
 * Keeps at most as many pull requests open for one consumer as there are free slots. Another consumer may
 * take shared slots while requests are open.
 */
export class Requests {
  readonly #slots: Slots;
  readonly #admit: Admit | undefined;
  #open = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(slots: Slots, admit?: Admit) {
    this.#slots = slots;
    this.#admit = admit;
  }

  /** Resolves once one more request may be opened, in the order of the calls. Call `close` once for each. */
  open(signal: AbortSignal): Promise<void> {
    const opened = this.#turn.then(() => this.#next(signal));
    this.#turn = opened.catch(() => {});
    return opened;
  }

  close(): void {
    this.#open--;
    this.#slots.changed();
  }

  async #next(signal: AbortSignal): Promise<void> {
    do {
      await this.#slots.until(() => this.#slots.hasRoom(this.#open), signal);
    } while (this.#admit && !await this.#isAdmitted(this.#admit, signal));
    this.#open++;
  }

  /**
   * Returns false if the number of events in hand has changed before `admit` answered: then it must be asked
   * again.
   */
  async #isAdmitted(admit: Admit, signal: AbortSignal): Promise<boolean> {
    const asking = new AbortController();
    const onAbort = () => asking.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#slots.change.then(() => asking.abort(new Error("What is in hand has changed")), () => {});
    try {
      await admit(this.#slots.inHand + this.#open, { signal: asking.signal });
      return true;
    } catch (error) {
      if (asking.signal.aborted && !signal.aborted) return false;
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
