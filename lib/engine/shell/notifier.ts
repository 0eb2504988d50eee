/** Wakes one loop. A `notify` while the loop is awake is not lost. */
export class Notifier {
  #isDue = false;
  #wake: (() => void) | undefined;

  /** Wakes the loop if it waits in `next`; otherwise the following `next` resolves at once. */
  readonly notify = (): void => {
    this.#isDue = true;
    this.#wake?.();
  };

  /** Resolves at the next `notify`, or at once if there was one since `next` last resolved. */
  async next(): Promise<void> {
    if (!this.#isDue) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#isDue = false;
    this.#wake = undefined;
  }
}
