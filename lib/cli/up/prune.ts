import type { Store } from "../../backend/store.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";

export interface PruneOptions {
  readonly store: Store;
  readonly keepRunsMs: number;
  readonly keepLogsMs: number;
  /** Without it, logs go by themselves. */
  readonly removeLog?: ((run: string) => Promise<void>) | undefined;
  readonly clock: Clock;
}

const EVERY_MS = 3_600_000;

/** Prunes now and every hour, until disposed. A failure is a line in the process log. */
export function keepPruned(options: PruneOptions): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const pruning = (async () => {
    while (!signal.aborted) {
      try {
        const count = await prune(options, signal);
        if (count > 0) processLog("up").info("Removed {count} runs that had ended long ago", { count });
      } catch (error) {
        processLog("up").warn("Cannot remove old runs: {why}", { why: messageOf(error) });
      }
      await delay(EVERY_MS, { signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await pruning;
    },
  };
}

/** Removes runs that ended long enough ago, and logs. Answers how many runs. */
export async function prune(
  { store, keepRunsMs, keepLogsMs, removeLog, clock }: PruneOptions,
  signal: AbortSignal,
): Promise<number> {
  const now = clock();
  const old: string[] = [];
  const mute: string[] = [];
  // The whole list before anything is removed from it.
  let page = await store.runs.list();
  while (page.length > 0 && !signal.aborted) {
    for (const { id, outcome, endedAt = now } of page) {
      if (outcome === undefined) continue;
      if (endedAt <= now - keepRunsMs) old.push(id);
      else if (endedAt <= now - keepLogsMs) mute.push(id);
    }
    page = await store.runs.list({ before: page.at(-1)?.id ?? "" });
  }
  for (const run of removeLog ? mute : []) {
    if (signal.aborted) return 0;
    await removeLog?.(run);
  }
  let removed = 0;
  for (const run of old) {
    if (signal.aborted) break;
    await store.removeRun(run);
    removed++;
  }
  return removed;
}
