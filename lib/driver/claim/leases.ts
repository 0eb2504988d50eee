import type { Lease } from "./lease.ts";

/** The leases of all that an instance has in hand, by run. */
export class Leases {
  readonly #byRun = new Map<string, Set<Lease>>();
  readonly #events = new Set<string>();
  #end: ((lease: Lease) => void) | undefined;

  /** Keeps the event's id until disposed; undefined where it is kept already: the event was stored twice, or came again. */
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

  /** The runs that have something in hand. */
  get runs(): string[] {
    return [...this.#byRun.keys()];
  }

  /** Somebody says that there is news for a run. */
  nudge(run: string): void {
    for (const lease of this.#byRun.get(run) ?? []) lease.nudge();
  }

  /** Tells all work to stop, also what has yet to begin. */
  stop(reason: string): void {
    this.#endAll((lease) => lease.stop(reason));
  }

  /** Tells all work and all reports to stop, also what has yet to begin. */
  abandon(): void {
    this.#endAll((lease) => lease.abandon());
  }

  #endAll(end: (lease: Lease) => void): void {
    this.#end = end;
    for (const ofRun of this.#byRun.values()) for (const lease of ofRun) end(lease);
  }
}
