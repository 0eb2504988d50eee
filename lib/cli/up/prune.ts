import type { EndedRun, Store } from "../../backend/store.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";

export interface PruneOptions {
  readonly store: Store;
  readonly keepRunsMs: number;
  /** How many ended runs are kept at most (default: no limit). */
  readonly keepRunsCount?: number | undefined;
  readonly keepLogsMs: number;
  /** Removes a run's log; omit if logs expire by themselves. */
  readonly removeLog?: ((run: string) => Promise<void>) | undefined;
  readonly clock: Clock;
}

export interface KeepPrunedOptions extends PruneOptions {
  /** See `NatsStore`; omit if only the disk limits the logs. */
  readonly makeRoom?: ((options: { signal: AbortSignal }) => Promise<number>) | undefined;
  /** See `Plane` (default: nothing is removed). */
  readonly removeUnfinished?:
    | ((options: { idleMs: number; signal: AbortSignal }) => Promise<number>)
    | undefined;
}

/** Partial artifacts idle for longer than this are no longer being stored, milliseconds. */
const UNFINISHED_MS = 24 * 3_600_000;
const EVERY_MS = 3_600_000;
const ROOM_EVERY_MS = 60_000;

/** Prunes now and every hour, and makes room for logs every minute, until disposed. Failures are logged. */
export function keepPruned(
  {
    removeUnfinished = () => Promise.resolve(0),
    makeRoom = () => Promise.resolve(0),
    ...options
  }: KeepPrunedOptions,
): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const prune = pruner(options);
  const pruning = (async () => {
    while (!signal.aborted) {
      await attempt(
        "runs that had ended long ago",
        () => prune(signal),
        signal,
      );
      await attempt(
        "leftovers of removed runs and unfinished uploads",
        () => removeUnfinished({ idleMs: UNFINISHED_MS, signal }),
        signal,
      );
      await delay(EVERY_MS, { signal }).catch(() => {});
    }
  })();
  const making = (async () => {
    while (!signal.aborted) {
      await attempt("logs of ended runs, to make room for others", () => makeRoom({ signal }), signal);
      await delay(ROOM_EVERY_MS, { signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all([pruning, making]);
    },
  };
}

async function attempt(what: string, remove: () => Promise<number>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    const count = await remove();
    if (count > 0) processLog("up").info("Removed {count} {what}", { count, what });
  } catch (error) {
    if (signal.aborted) return;
    processLog("up").warn("Cannot remove {what}: {why}", { what, why: messageOf(error) });
  }
}

/**
 * Returns whether it could be removed. One that cannot be must not keep all later ones for ever. Throws
 * Retryable: the next one would fare no better.
 */
async function isRemoved(
  run: string,
  what: string,
  remove: (run: string) => Promise<void>,
): Promise<boolean> {
  try {
    await remove(run);
    return true;
  } catch (error) {
    if (error instanceof Retryable) throw error;
    processLog("up").warn("Cannot remove {what} {run}: {why}", { what, run, why: messageOf(error) });
    return false;
  }
}

/**
 * Returns a function that removes runs and logs that ended long enough ago, and of more runs than are kept
 * the ones that ended first. It returns the number of removed runs. Each call examines only what has expired
 * since the previous call that removed all of it (the first one, all logs).
 */
export function pruner(
  { store, keepRunsMs, keepRunsCount = Infinity, keepLogsMs, removeLog, clock }: PruneOptions,
): (signal: AbortSignal) => Promise<number> {
  let mutedUntil = -Infinity;
  return async (signal) => {
    const now = clock();
    let removed = 0;
    for await (const { id } of endedRuns(store, { until: now - keepRunsMs, signal })) {
      if (await isRemoved(id, "run", store.removeRun)) removed++;
    }
    let excess = Number.isFinite(keepRunsCount) ? await store.runs.endedCount() - keepRunsCount : 0;
    for await (const { id } of excess > 0 ? endedRuns(store, { until: now, signal }) : []) {
      if (excess-- <= 0) break;
      if (await isRemoved(id, "run", store.removeRun)) removed++;
    }
    if (removeLog && !signal.aborted) {
      const until = now - keepLogsMs;
      // Overlap with the previous period: a run may have been stored a little after it ended.
      const since = mutedUntil - EVERY_MS;
      let all = true;
      for await (const { id } of endedRuns(store, { since, until, signal })) {
        all = await isRemoved(id, "the log of run", removeLog) && all;
      }
      if (all && !signal.aborted) mutedUntil = until;
    }
    return removed;
  };
}

/** Yields ended runs. Stops early if the signal fires. */
async function* endedRuns(
  store: Store,
  { since = -Infinity, until, signal }: { since?: number; until: number; signal: AbortSignal },
): AsyncGenerator<EndedRun> {
  let after: EndedRun | undefined = Number.isFinite(since) ? { endedAt: since, id: "" } : undefined;
  while (!signal.aborted) {
    const page = await store.runs.ended({ until, ...(after && { after }) });
    for (const run of page) {
      if (signal.aborted) return;
      yield run;
    }
    after = page.at(-1);
    if (!after) return;
  }
}
