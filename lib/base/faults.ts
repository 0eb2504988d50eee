/**
 * Fault points: named places at which a test can kill this process, as `kill -9` does. The list is closed, so
 * that a test with a misspelt name fails at start instead of running without a fault.
 */
export const FAULT_POINTS = [
  "pulled",
  "decoded",
  "claimed",
  "caches-made",
  "container-created",
  "container-started",
  "checked-out",
  "marked",
  "command-ended",
  "reconciled",
  "logged",
  "result-published",
  "acked",
  "container-removed",
  "caches-saved",
  "run-stored",
  "outbox-published",
  "outbox-emptied",
  "result-handled",
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/**
 * Called at every fault point; does nothing unless a test has enabled that point, optionally for one `step`
 * only.
 */
export type Faults = (point: FaultPoint, step?: string) => void;

/** Never kills the process. */
export const noFaults: Faults = () => {};

/**
 * Parses `point[@step][#n]`: the process gets SIGKILL at the n-th pass (default 1) of that point. Throws
 * `TypeError` for an unknown point.
 */
export function parseFaults(text: string | undefined): Faults {
  if (!text) return noFaults;
  const match = /^([a-z-]+)(?:@([^#]+))?(?:#(\d+))?$/.exec(text);
  const wanted = FAULT_POINTS.find((point) => point === match?.[1]);
  if (!wanted) {
    throw new TypeError(`Unknown fault point "${text}": expected one of ${FAULT_POINTS.join(", ")}`);
  }
  const step = match?.[2];
  let left = Number(match?.[3] ?? 1);
  return (point, at) => {
    if (point !== wanted || (step !== undefined && step !== at)) return;
    if (--left === 0) process.kill(process.pid, "SIGKILL");
  };
}
