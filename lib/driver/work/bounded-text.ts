/** Collects text up to a limit in bytes; drops the rest. */
export class BoundedText {
  readonly #chunks: Uint8Array[] = [];
  readonly #limit: number;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies the bytes: the caller may reuse them. */
  add(data: Uint8Array): void {
    const room = this.#limit - Math.min(this.#size, this.#limit);
    if (room > 0) this.#chunks.push(data.slice(0, room));
    this.#size += data.length;
  }

  /** Whether text was dropped. */
  get isCut(): boolean {
    return this.#size > this.#limit;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
