import type { Delivery } from "../../backend/transport.ts";
import type { Slots } from "./slots.ts";

/** Resolves when there is room for one event more than `inHand`, or for one that is `here`, with false where there is none; throws `signal.reason`. */
export type Admit = (
  inHand: number,
  options: { here?: Delivery; signal: AbortSignal },
) => Promise<boolean>;

/**
 * One consumer's open requests for an event: never more than there are free slots, since what they bring could not be
 * begun with. Slots that are shared with another consumer may be taken while requests are open.
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

  /** Resolves when one more may be made; who asks first is first. Every one that was opened is to be closed. */
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

  /** False when what is in hand has changed before there was an answer: then the question was another one. */
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
