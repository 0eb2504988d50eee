import { opendir } from "node:fs/promises";
import { isRunId } from "../../wire/ids.ts";
import type { ArtifactTable } from "./artifacts.ts";
import type { Database } from "./database.ts";
import type { LogTable } from "./logs.ts";

/**
 * Removes artifacts and log lines of runs that do not exist any more: a driver that has lost its run may
 * store some while the run is removed, or later. Returns of how many runs. Ends early if `signal` fires.
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
  let count = 0;
  for (const place of places) {
    for await (const run of place) {
      if (signal.aborted) return count;
      if (!isRunId(run) || database.run(() => find.get(run))) continue;
      await artifacts.remove(run);
      await logs.remove(run);
      count++;
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
