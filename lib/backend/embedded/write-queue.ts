/** A write that waits for the next transaction. */
interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How a part of a transaction ended. With `isFull` it lacked space and is to be run again alone. */
export type Part = { readonly result: unknown } | { readonly error: unknown; readonly isFull: boolean };

/** What a `WriteQueue` needs of a database. */
export interface Transactions {
  /** Runs a function in one transaction; an error rolls it back. */
  transaction<T>(work: () => T): T;
  /**
   * Runs a part of a transaction; an error undoes that part only. Throws if the whole transaction is lost.
   */
  part(work: () => unknown): Part;
}

/** Most writes of one transaction: more would delay the requests that arrive meanwhile. */
const MOST = 64;

/**
 * Joins writes that arrive together into one transaction, since beginning and committing cost more than most
 * writes do. Each write's promise settles after its commit.
 */
export class WriteQueue {
  readonly #transactions: Transactions;
  #waiting: Waiting[] = [];
  #isScheduled = false;

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
  }

  /**
   * Runs `work` in the next transaction. If it fails, it is refused alone; if the transaction itself fails,
   * so are all of its writes.
   */
  write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Runs all waiting writes now. */
  flush(): void {
    while (this.#waiting.length > 0) this.#runNext();
  }

  /** Other work of the process gets its turn between two transactions. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#runNext();
      this.#schedule();
    });
  }

  #runNext(): void {
    const writes = this.#waiting.splice(0, MOST);
    const [first] = writes;
    if (!first) return;
    if (writes.length === 1) return this.#alone(first);
    let parts: Part[];
    try {
      parts = this.#transactions.transaction(() => writes.map(({ work }) => this.#transactions.part(work)));
    } catch (error) {
      for (const { reject } of writes) reject(error);
      return;
    }
    writes.forEach((write, i) => this.#settle(write, parts[i]));
  }

  #settle(write: Waiting, part: Part | undefined): void {
    if (!part) return;
    if ("result" in part) write.resolve(part.result);
    else if (part.isFull) this.#alone(write);
    else write.reject(part.error);
  }

  #alone({ work, resolve, reject }: Waiting): void {
    let result: unknown;
    try {
      result = this.#transactions.transaction(work);
    } catch (error) {
      return reject(error);
    }
    resolve(result);
  }
}
