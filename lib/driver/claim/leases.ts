import type { Lease } from "./lease.ts";

/** The leases of all events that an instance has in hand, by run. */
export class Leases {
  readonly #byRun = new Map<string, Set<Lease>>();
  readonly #events = new Set<string>();
  #end: ((lease: Lease) => void) | undefined;

  /**
   * Holds the event's key until disposed. Returns undefined if it is held already: the event was stored twice
   * or redelivered.
   */
  take(event: string): Disposable | undefined {
    if (this.#events.has(event)) return undefined;
    this.#events.add(event);
    return { [Symbol.dispose]: () => void this.#events.delete(event) };
  }

  /** Keeps the lease until disposed. */
  add(run: string, lease: Lease): Disposable {
    const ofRun = this.#byRun.get(run) ?? new Set();
    this.#byRun.set(run, ofRun.add(lease));
    this.#end?.(lease);
    return {
      [Symbol.dispose]: () => {
        ofRun.delete(lease);
        if (ofRun.size === 0 && this.#byRun.get(run) === ofRun) this.#byRun.delete(run);
      },
    };
  }

  /** The runs of the events in hand. */
  get runs(): string[] {
    return [...this.#byRun.keys()];
  }

  /** Renews all leases of a run at once. */
  nudge(run: string): void {
    for (const lease of this.#byRun.get(run) ?? []) lease.nudge();
  }

  /** Tells all work to stop, including work that starts later. */
  stop(reason: string): void {
    this.#endAll((lease) => lease.stop(reason));
  }

  /** Tells all work and reports to stop, including work that starts later. */
  abandon(): void {
    this.#endAll((lease) => lease.abandon());
  }

  #endAll(end: (lease: Lease) => void): void {
    this.#end = end;
    for (const ofRun of this.#byRun.values()) for (const lease of ofRun) end(lease);
  }
}
