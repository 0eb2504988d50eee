import type { LogBatch, LogReader } from "../../backend/store.ts";

/** Reads a run's log batches, stored and new ones, each once and in order. */
export class LogTail implements AsyncDisposable {
  readonly #logs: LogReader;
  readonly #run: string;
  readonly #ring: () => void;
  readonly #closing = new AbortController();
  #cursor: string | undefined;
  #lines = 0;
  #coming: AsyncIterator<LogBatch> | undefined;
  /** Resolves once the next batch has arrived or reading it has failed. */
  #next: Promise<void> | undefined;
  #arrived: (() => LogBatch | undefined) | undefined;

  /**
   * `ring` is called when `arrived` may have a batch. Reading starts after the batch at `from.cursor` and
   * skips batches that end at line `from.lines` or before.
   */
  constructor(
    logs: LogReader,
    run: string,
    ring: () => void,
    from: { cursor: string | undefined; lines: number } = { cursor: undefined, lines: 0 },
  ) {
    this.#logs = logs;
    this.#run = run;
    this.#ring = ring;
    this.#cursor = from.cursor;
    this.#lines = from.lines;
  }

  /** The number of the last line that was yielded. */
  get lines(): number {
    return this.#lines;
  }

  /** Yields the stored batches that have not been yielded yet. */
  async *stored(): AsyncGenerator<LogBatch> {
    for await (
      const batch of this.#logs.read(this.#run, { ...this.#after(), signal: this.#closing.signal })
    ) {
      if (this.#isNew(batch)) yield batch;
    }
  }

  /** Starts waiting for the next batch in the background. */
  listen(): void {
    if (this.#next) return;
    this.#coming ??= this.#logs.read(this.#run, {
      ...this.#after(),
      follow: true,
      signal: this.#closing.signal,
    })[Symbol.asyncIterator]();
    this.#next = this.#coming.next().then(
      ({ done, value }) => this.#arrive(() => done ? undefined : value),
      (error) =>
        this.#arrive(() => {
          throw error;
        }),
    );
  }

  /**
   * Returns the batch that `listen` waits for, or undefined if it has not arrived or was yielded before.
   * Throws what reading it threw.
   */
  arrived(): LogBatch | undefined {
    const batch = this.#arrived?.();
    if (!batch) return undefined;
    this.#arrived = this.#next = undefined;
    return this.#isNew(batch) ? batch : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#next;
    await this.#coming?.return?.();
  }

  #arrive(outcome: () => LogBatch | undefined): void {
    this.#arrived = outcome;
    this.#ring();
  }

  #after(): { after?: string } {
    return this.#cursor === undefined ? {} : { after: this.#cursor };
  }

  #isNew(batch: LogBatch): boolean {
    const last = batch.firstSeq + batch.lines.length - 1;
    if (last <= this.#lines) return false;
    this.#lines = last;
    this.#cursor = batch.cursor;
    return true;
  }
}
