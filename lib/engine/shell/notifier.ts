/** Lets one loop sleep until something has happened. What happened while it was awake is not missed. */
export class Notifier {
  #isDue = false;
  #wake: (() => void) | undefined;

  /** Something has happened. */
  readonly notify = (): void => {
    this.#isDue = true;
    this.#wake?.();
  };

  /** Resolves when it has been isDue since the last time; at once if it already has. */
  async next(): Promise<void> {
    if (!this.#isDue) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#isDue = false;
    this.#wake = undefined;
  }
}
