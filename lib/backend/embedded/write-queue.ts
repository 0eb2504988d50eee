/** A write that waits for the next transaction. */
interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Most writes of one transaction: more would delay the requests that arrive meanwhile. */
const MOST = 64;

/**
 * Joins writes that arrive together into one transaction, since beginning and committing cost more than most
 * writes do. Each write's promise settles after its commit.
 */
export class WriteQueue {
  readonly #transaction: <T>(work: () => T) => T;
  #waiting: Waiting[] = [];
  #isScheduled = false;

  /** `transaction` runs a function in one transaction; an error rolls it back. */
  constructor(transaction: <T>(work: () => T) => T) {
    this.#transaction = transaction;
  }

  /** Runs `work` in the next transaction. If another write of it fails, `work` is undone and run again alone. */
  write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.flush();
      });
    });
  }

  /** Runs all waiting writes now. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < waiting.length; i += MOST) this.#together(waiting.slice(i, i + MOST));
  }

  #together(writes: readonly Waiting[]): void {
    let results: unknown[];
    try {
      results = this.#transaction(() => writes.map(({ work }) => work()));
    } catch (error) {
      const [only] = writes;
      if (writes.length === 1) only?.reject(error);
      else for (const write of writes) this.#together([write]);
      return;
    }
    writes.forEach(({ resolve }, i) => resolve(results[i]));
  }
}
