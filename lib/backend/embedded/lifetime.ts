/** From open to disposed: calls check it, waits end with it. */
export class Lifetime {
  readonly #what: string;
  readonly #end = new AbortController();

  /** `what` begins the error's text: `The transport`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Fires at the end. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Throws once it is over. */
  check(): void {
    if (this.#end.signal.aborted) throw this.#end.signal.reason;
  }

  /** A call: what it answers or throws, as a promise. */
  async call<T>(work: () => T): Promise<Awaited<T>> {
    this.check();
    return await work();
  }

  /** Ends it. Twice is fine. */
  end(): void {
    this.#end.abort(new Error(`${this.#what} has been disposed`));
  }
}
