/** What became of a delivery. `later`: it comes again; `refused`: it can never be handled. */
export const SETTLED = ["succeeded", "failed", "dropped", "forwarded", "later", "refused"] as const;
export type Settled = (typeof SETTLED)[number];

/** Hears what an instance does, for its figures. Called in the middle of the work: answers at once and never throws. */
export interface Observer {
  settled(as: Settled): void;
  /** A driver's `reconcile` has ended, one way or the other. */
  reconciled(ms: number): void;
}

/** Nobody looks. */
export const noObserver: Observer = { settled() {}, reconciled() {} };
