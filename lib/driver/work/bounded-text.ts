/** Collects text that somebody else writes, up to a limit; what comes after it is dropped. */
export class BoundedText {
  readonly #chunks: Uint8Array[] = [];
  readonly #limit: number;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies what is kept: the caller may use the bytes again. */
  add(data: Uint8Array): void {
    const room = this.#limit - Math.min(this.#size, this.#limit);
    if (room > 0) this.#chunks.push(data.slice(0, room));
    this.#size += data.length;
  }

  /** Whether more came than is kept. */
  get isCut(): boolean {
    return this.#size > this.#limit;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
