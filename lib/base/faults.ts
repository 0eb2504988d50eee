/**
 * Named places at which a test can end this process as `kill -9` does: the boundaries of "one event".
 * The list is closed, so that a test which misspells one fails to start rather than to fault.
 */
export const FAULT_POINTS = [
  "pulled",
  "decoded",
  "claimed",
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
  "run-stored",
  "outbox-published",
  "outbox-emptied",
  "result-handled",
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Called at every boundary; does nothing unless a test asked for it. `step` narrows it to one step's passage. */
export type Faults = (point: FaultPoint, step?: string) => void;

/** Nothing ever happens. */
export const noFaults: Faults = () => {};

/**
 * Faults from a text `point[@step][#n]`: at the n-th passage (default 1) of that point the process gets SIGKILL.
 * Throws TypeError on a name that is not in the list.
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
