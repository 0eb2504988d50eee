/** When a run is due, by the monotonic clock. */
export interface Watch {
  due: number;
  /** Next time to check that the transport still holds the open step's event, and the interval after that. */
  askAt: number;
  patienceMs: number;
  /** When to write to the run's log why no driver has claimed the open step. */
  sayAt: number;
  /** Who submitted the run, if known. */
  readonly submitter?: string | undefined;
  /** The step, dispatch and heartbeat that `askAt`, `patienceMs` and `sayAt` belong to. */
  about: string;
}

/** The open runs that this process drives, and how many there are of each submitter. */
export class WatchedRuns {
  readonly #watches = new Map<string, Watch>();
  readonly #runsOf = new Map<string, number>();

  get(run: string): Watch | undefined {
    return this.#watches.get(run);
  }

  set(run: string, watch: Watch): void {
    this.#count(this.get(run)?.submitter, -1);
    this.#watches.set(run, watch);
    this.#count(watch.submitter, 1);
  }

  delete(run: string): void {
    this.#count(this.get(run)?.submitter, -1);
    this.#watches.delete(run);
  }

  /** Returns how many there are, of all or of one submitter. */
  count(submitter?: string): number {
    return submitter === undefined ? this.#watches.size : this.#runsOf.get(submitter) ?? 0;
  }

  /** Returns the runs that are due by now. */
  due(now: number): string[] {
    const runs: string[] = [];
    for (const [run, { due }] of this.#watches) if (due <= now) runs.push(run);
    return runs;
  }

  #count(submitter: string | undefined, more: number): void {
    if (submitter === undefined) return;
    const count = (this.#runsOf.get(submitter) ?? 0) + more;
    if (count === 0) this.#runsOf.delete(submitter);
    else this.#runsOf.set(submitter, count);
  }
}
