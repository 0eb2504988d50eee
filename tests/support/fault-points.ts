import type { FaultPoint } from "../../lib/base/faults.ts";

/** Where each driver can die while it handles an event without caches, in the order of its work. */
export const FAULTS = {
  "container-start": [
    "pulled",
    "decoded",
    "claimed",
    "container-created",
    "container-started",
    "reconciled",
    "logged",
    "result-published",
    "acked",
  ],
  "git-cloner": [
    "pulled",
    "decoded",
    "claimed",
    "checked-out",
    "reconciled",
    "logged",
    "result-published",
    "acked",
  ],
  builder: [
    "pulled",
    "decoded",
    "claimed",
    "marked",
    "command-ended",
    "reconciled",
    "logged",
    "result-published",
    "acked",
  ],
  "container-stop": [
    "pulled",
    "decoded",
    "claimed",
    "container-removed",
    "reconciled",
    "logged",
    "result-published",
    "acked",
  ],
} as const satisfies Readonly<Record<string, readonly FaultPoint[]>>;

/** Deals the points out in two halves, each with some from all of the work: two shorter tests. */
export const halvesOf = (points: readonly FaultPoint[]): FaultPoint[][] =>
  [0, 1].map((half) => points.filter((_, i) => i % 2 === half));
