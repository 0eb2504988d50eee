import { opendir } from "node:fs/promises";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { isRunId } from "../../wire/ids.ts";
import type { ArtifactTable } from "./artifacts.ts";
import type { Database } from "./database.ts";
import type { LogTable } from "./logs.ts";

/**
 * Removes artifacts and log lines of runs that do not exist any more: a driver that has lost its run may
 * store some while the run is removed, or later. Returns of how many runs. One that cannot be removed is
 * logged, and left for the next call. Ends early if `signal` fires. Throws `Retryable`.
 */
export async function removeOrphans(
  database: Database,
  { logs, artifacts, folder }: { logs: LogTable; artifacts: ArtifactTable; folder: string },
  signal: AbortSignal,
): Promise<number> {
  const find = database.prepare(
    "SELECT 1 FROM runs WHERE id = ?1 UNION ALL SELECT 1 FROM set_aside WHERE kind = 'run' AND key = ?1",
  );
  const nextOf = (table: string) => database.prepare(`SELECT min(run) AS run FROM ${table} WHERE run > ?`);
  const places = [runsIn(database, nextOf("logs")), runsIn(database, nextOf("artifacts")), foldersIn(folder)];
  const isOrphan = (run: string) => isRunId(run) && !database.run(() => find.get(run));
  const failed = new Set<string>();
  let count = 0;
  for (const place of places) {
    for await (const run of place) {
      if (signal.aborted) return count;
      if (failed.has(run) || !isOrphan(run)) continue;
      try {
        await logs.remove(run);
        // A run with this id may have been created meanwhile.
        if (!isOrphan(run)) continue;
        await artifacts.remove(run);
        count++;
      } catch (error) {
        if (error instanceof Retryable) throw error;
        failed.add(run);
        processLog("backend").warn("Cannot remove what is left of removed run {run}: {why}", {
          run,
          why: messageOf(error),
        });
      }
    }
  }
  return count;
}

/** Yields the runs of a table. `next` finds the first one after another, by the table's index. */
async function* runsIn(
  database: Database,
  next: ReturnType<Database["prepare"]>,
): AsyncGenerator<string> {
  for (let run = "";;) {
    const found = database.run(() => next.get(run))?.["run"];
    if (typeof found !== "string") return;
    yield run = found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function* foldersIn(path: string): AsyncGenerator<string> {
  for await (const entry of await opendir(path)) if (entry.isDirectory()) yield entry.name;
}
