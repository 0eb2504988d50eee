/** Lets one loop sleep until something has happened. What happened while it was awake is not missed. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Something has happened. */
  readonly ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  /** Resolves when it has been rung since the last time; at once if it already has. */
  async rung(): Promise<void> {
    if (!this.#rung) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#rung = false;
    this.#wake = undefined;
  }
}
