import type { LogBatch, Store } from "../../backend/store.ts";
import type { Run } from "../../wire/run.ts";
import { artifactsOf } from "../core/artifacts.ts";
import { Notifier } from "./notifier.ts";
import type { RunEnded, RunEvent } from "../core/events.ts";
import { logLines } from "../core/log-lines.ts";
import { readRun } from "./read-run.ts";
import { LogTail } from "./log-tail.ts";
import { Timeline, timeOf } from "../core/timeline.ts";

/**
 * Yields the run's events from its start to its end. A run that has ended gives the same events in the same
 * order as it gave live. A step's lines come between its start and its end. Lines that an attempt writes
 * after losing its claim come in the order in which they are stored. Throws InputError for an unknown run.
 */
export async function* follow(
  store: Store,
  id: string,
  { logs, signal }: { logs: boolean; signal: AbortSignal },
): AsyncGenerator<RunEvent> {
  const notifier = new Notifier();
  let isChanged = false;
  await using _watch = await store.runs.watch(id, () => {
    isChanged = true;
    notifier.notify();
  });
  await using tail = new LogTail(store.logs, id, notifier.notify);
  let run = await readRun(store, id);
  const timeline = new Timeline(run);

  /** Returns the events that precede the batch, then its lines. */
  const told = async (batch: LogBatch): Promise<RunEvent[]> => {
    if (timeline.isAhead(batch)) timeline.update(await readRun(store, id));
    const before = Array.from(timeline.before(batch));
    return [...before, ...logLines(id, batch, timeline.writerOf(batch))];
  };

  signal.addEventListener("abort", notifier.notify, { once: true });
  try {
    yield { type: "run", run: id, resource: run.resource, time: timeOf(run.createdAt) };
    while (!signal.aborted) {
      if (logs) {
        // Read after the record: the lines of every step that has ended in the record are stored by now.
        for await (const batch of tail.stored()) {
          for (const event of await told(batch)) yield event;
          if (signal.aborted) return;
        }
      }
      yield* timeline.catchUp();
      if (run.outcome !== undefined) {
        yield await endOf(store, run, run.outcome, logs ? tail.lines : await store.logs.count(id));
        return;
      }
      while (!isChanged && !signal.aborted) {
        if (logs) tail.listen();
        await notifier.next();
        const batch = tail.arrived();
        if (batch) { for (const event of await told(batch)) yield event; }
      }
      isChanged = false;
      run = await readRun(store, id);
      timeline.update(run);
    }
  } finally {
    signal.removeEventListener("abort", notifier.notify);
  }
}

async function endOf(
  store: Store,
  run: Run,
  outcome: RunEnded["outcome"],
  lines: number,
): Promise<RunEnded> {
  const { id, verdict, startedAt, createdAt, endedAt = createdAt } = run;
  return {
    type: "end",
    run: id,
    outcome,
    ...(verdict?.reason === undefined ? {} : { reason: verdict.reason }),
    message: verdict?.message ?? "",
    seconds: Math.max(0, endedAt - (startedAt ?? createdAt)) / 1000,
    lines,
    artifacts: artifactsOf(run, await store.artifacts.list(id)),
  };
}
