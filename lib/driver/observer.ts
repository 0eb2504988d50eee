/** What became of a delivery. `later`: it will be redelivered; `refused`: it can never be handled. */
export const SETTLED = ["succeeded", "failed", "dropped", "forwarded", "later", "refused"] as const;
export type Settled = (typeof SETTLED)[number];

/** Collects an instance's metrics. Called in the middle of the work: must return at once and never throw. */
export interface Observer {
  settled(as: Settled): void;
  /** A driver's `reconcile` has returned or thrown. */
  reconciled(ms: number): void;
}

/** Ignores everything. */
export const noObserver: Observer = { settled() {}, reconciled() {} };
