import { retry } from "../../base/retry.ts";
import type { Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import type { AliveReply } from "../../wire/alive.ts";
import type { Run } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { longestGrace } from "./serve-claims.ts";
import type { RunClocks } from "./run-clocks.ts";
import { openStep } from "../core/steps.ts";

/**
 * Serves `runs.*.alive` requests: answers whether a run is still open and which driver its next step waits
 * for.
 */
export function serveAlive({ transport, store, clocks, ackWaitMs }: {
  transport: Transport;
  store: Store;
  clocks: RunClocks;
  ackWaitMs: number;
}): Promise<AsyncDisposable> {
  const answer = (run: Run | undefined): AliveReply => {
    if (!run || run.outcome !== undefined) return { alive: false };
    const waitsFor = waitingDriver(run, { now: clocks.now(run), ackWaitMs, hearingSince: clocks.since(run) });
    return waitsFor === undefined ? { alive: true } : { alive: true, waitsFor };
  };
  return retry(() =>
    transport.serve(subjects.alives, async ({ subject }) => {
      const found = await store.runs.get(subject.split(".")[1] ?? "");
      return JSON.stringify(answer(found?.value));
    })
  );
}

/**
 * Returns the open step's driver if nobody works on the step, that is, if a new attempt would be granted.
 * Otherwise undefined.
 */
function waitingDriver(
  run: Run,
  { now, ackWaitMs, hearingSince }: { now: number; ackWaitMs: number; hearingSince: number },
): string | undefined {
  const step = openStep(run);
  if (step?.status === "dispatched") return step.driver;
  // A driver that does not claim sends no heartbeats while it works.
  if (!step || step.instance === undefined) return undefined;
  const silent = now - Math.max(step.heardAt ?? 0, hearingSince);
  return silent >= ackWaitMs + longestGrace(ackWaitMs) ? step.driver : undefined;
}
