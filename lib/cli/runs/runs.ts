import { systemClock } from "../../base/clock.ts";
import { formatDuration } from "../../base/units.ts";
import type { RunSummary } from "../../engine/core/run-view.ts";
import type { Caller } from "../shared/api/call.ts";
import { ago, paintStatus } from "../shared/render/run-words.ts";
import { type Screen, screenOf } from "../shared/render/screen.ts";
import { tableLines } from "../shared/render/table.ts";
import { listRuns, shortId } from "../shared/runs/resolve-run.ts";
import { type InspectOptions, useRuns } from "../shared/runs/use-runs.ts";

export interface ListOptions extends InspectOptions {
  readonly status?: string | undefined;
  readonly resource?: string | undefined;
  readonly limit: number;
}

/** Most runs that the API returns at once. */
const MOST = 200;

/** Lists runs on stdout. */
export async function runs(options: ListOptions): Promise<void> {
  await using opened = await useRuns(options);
  const screen = screenOf();
  const list: RunSummary[] = [];
  for await (const run of pages(opened.call, options)) {
    if (options.json) process.stdout.write(`${JSON.stringify(run)}\n`);
    else list.push(run);
  }
  if (options.json) return;
  if (list.length === 0) return void process.stderr.write("No runs\n");
  process.stdout.write(`${listing(list, { screen, now: systemClock() }).join("\n")}\n`);
}

/** Returns the table of runs. A terminal gets short ids; other output gets whole ids. */
function listing(
  list: readonly RunSummary[],
  { screen: { style, isTerminal }, now }: { screen: Screen; now: number },
): string[] {
  const rows = list.map(({ id, status, resource, createdAt, seconds, step, reason }) => [
    isTerminal ? shortId(id) : id,
    { text: status, paint: paintStatus(status, style) },
    resource.name,
    ago(createdAt, now),
    seconds === undefined ? "" : formatDuration(seconds * 1000),
    reason ?? step ?? "",
  ]);
  return tableLines(["run", "status", "resource", "started", "took", "why or where"], rows, style);
}

async function* pages(call: Caller, { status, resource, limit }: ListOptions): AsyncGenerator<RunSummary> {
  let left = limit;
  let cursor: string | undefined;
  do {
    const { runs, next } = await listRuns(call, {
      limit: String(Math.min(left, MOST)),
      ...status !== undefined && { status },
      ...resource !== undefined && { resource },
      ...cursor !== undefined && { cursor },
    });
    yield* runs;
    left -= runs.length;
    cursor = next;
  } while (left > 0 && cursor !== undefined);
}
