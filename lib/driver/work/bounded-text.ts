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
    if (room > 0) this.#chunks.push(new Uint8Array(data.subarray(0, room)));
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

/** Collects text and keeps the last of it, up to a limit in bytes. */
export class EndOfText {
  readonly #chunks: Uint8Array[] = [];
  readonly #limit: number;
  #size = 0;
  #isCut = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies the bytes: the caller may reuse them. */
  add(data: Uint8Array): void {
    const kept = new Uint8Array(data.subarray(-this.#limit));
    this.#chunks.push(kept);
    this.#size += kept.length;
    this.#isCut ||= kept.length < data.length || this.#size > this.#limit;
    for (
      let [first] = this.#chunks;
      first && this.#size - first.length >= this.#limit;
      [first] = this.#chunks
    ) {
      this.#size -= first.length;
      this.#chunks.shift();
    }
  }

  /** The text's end, from the beginning of a line if there is a line break in it. */
  text(): string {
    const text = Buffer.concat(this.#chunks).subarray(-this.#limit).toString("utf8");
    return this.#isCut ? text.slice(text.indexOf("\n") + 1) : text;
  }
}
