/** Remembers the last `most` strings that were added. */
export class RecentSet {
  readonly #most: number;
  readonly #things = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  has(thing: string): boolean {
    return this.#things.has(thing);
  }

  add(thing: string): void {
    this.#things.add(thing);
    if (this.#things.size <= this.#most) return;
    const { value } = this.#things.values().next();
    if (value !== undefined) this.#things.delete(value);
  }
}
