import { systemClock } from "../../base/clock.ts";
import type { Store } from "../store.ts";

/**
 * Notes which runs were removed, and when: a driver that has lost its run may still be storing an artifact
 * or log lines of it.
 */
export function removedRuns(notes: Store["notes"]) {
  const prefix = "removed-run/";
  return {
    async note(run: string) {
      const found = await notes.get(prefix + run);
      await notes.put(prefix + run, systemClock(), found?.revision ?? 0);
    },
    /** Returns the times by run. */
    async list(): Promise<Map<string, number>> {
      const runs = new Map<string, number>();
      for (let after = prefix;;) {
        const page = await notes.list({ after });
        for (const { key, value } of page) {
          if (!key.startsWith(prefix)) return runs;
          runs.set(key.slice(prefix.length), Number(value));
          after = key;
        }
        if (page.length === 0) return runs;
      }
    },
    /** Forgets those that were removed at least that long ago. */
    async forget(runs: ReadonlyMap<string, number>, idleMs: number) {
      const now = systemClock();
      for (const [run, at] of runs) {
        const found = now - at < idleMs ? undefined : await notes.get(prefix + run);
        if (found) await notes.delete(prefix + run, found.revision);
      }
    },
  };
}
