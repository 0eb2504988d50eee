/** Tracks whether an object is disposed: calls check it, and waits end with it. */
export class Lifetime {
  readonly #what: string;
  readonly #end = new AbortController();

  /** `what` starts the error message, for example `The transport`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Fires on `end`. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Throws after `end`. */
  check(): void {
    if (this.#end.signal.aborted) throw this.#end.signal.reason;
  }

  /** Runs a call unless the lifetime has ended; the result or error becomes a promise. */
  async call<T>(work: () => T): Promise<Awaited<T>> {
    this.check();
    return await work();
  }

  /** Ends the lifetime. Further calls do nothing. */
  end(): void {
    this.#end.abort(new Error(`${this.#what} has been disposed`));
  }
}
