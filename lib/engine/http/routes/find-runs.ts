import { z } from "zod";
import type { RunPlace, RunQuery, Store } from "../../../backend/store.ts";
import { InputError } from "../../../base/errors.ts";
import { isRunId } from "../../../wire/ids.ts";
import { REASONS } from "../../../wire/reasons.ts";
import { OUTCOMES, type Run } from "../../../wire/run.ts";
import { RUN_STATUSES, statusOf } from "../../core/run-view.ts";

const MAX_PAGE = 200;
const PAGE = 50;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

export const RunsQuery = z.object({
  status: z.enum([...RUN_STATUSES, "open"]).optional().describe("`open` for all that have not ended"),
  reason: z.enum(REASONS).optional(),
  resource: z.string().optional().describe("The resource's name"),
  type: z.string().optional().describe("The resource's type"),
  pipeline: z.string().optional(),
  since: time.optional().describe("Created then or later"),
  until: time.optional().describe("Created before"),
  id: z.string().regex(/^[0-9a-fA-F-]{1,36}$/, "expected the beginning of an id").optional()
    .describe("What the id begins with"),
  cursor: z.string().optional().describe("`next` of the page before"),
  limit: z.coerce.number().pipe(z.int().min(1).max(MAX_PAGE)).default(PAGE),
});
export type RunsQuery = z.infer<typeof RunsQuery>;

/** Some runs, and the cursor of the next page, if there may be one. */
export interface RunsFound {
  readonly runs: readonly Run[];
  readonly next: string | undefined;
}

/** Returns the runs that a query is about, newest first. Throws InputError for an invalid cursor. */
export const findRuns = async ({ runs }: Pick<Store, "runs">, query: RunsQuery): Promise<RunsFound> =>
  query.id === undefined ? await pageOf(runs, query) : await beginningWith(runs, query.id, query.limit);

/** The store knows only that a run is open, so more precise statuses are filtered here. */
async function pageOf(stored: Store["runs"], query: RunsQuery): Promise<RunsFound> {
  const { status, limit } = query;
  const outcome = OUTCOMES.find((known) => known === status) ?? (status === undefined ? undefined : "open");
  const isWanted = (run: Run) => status === undefined || status === "open" || statusOf(run) === status;
  const conditions: RunQuery = {
    ...outcome !== undefined && { outcome },
    ...query.reason !== undefined && { reason: query.reason },
    ...query.resource !== undefined && { name: query.resource },
    ...query.type !== undefined && { type: query.type },
    ...query.pipeline !== undefined && { pipeline: query.pipeline },
    ...query.since !== undefined && { since: query.since },
    ...query.until !== undefined && { until: query.until },
  };
  const runs: Run[] = [];
  let before = query.cursor === undefined ? undefined : placeOf(query.cursor);
  for (;;) {
    const found = await stored.list({ ...conditions, ...before && { before }, limit: limit + 1 });
    for (const run of found) {
      if (!isWanted(run)) continue;
      if (runs.length === limit) return { runs, next: cursorOf(runs.at(-1)) };
      runs.push(run);
    }
    before = found.at(-1);
    if (found.length <= limit) return { runs, next: undefined };
  }
}

async function beginningWith(stored: Store["runs"], prefix: string, limit: number): Promise<RunsFound> {
  const ids = await stored.find(prefix.toLowerCase(), limit);
  const found = await Promise.all(ids.map((id) => stored.get(id)));
  return { runs: found.flatMap((run) => run ? [run.value] : []), next: undefined };
}

const cursorOf = (run: Run | undefined): string | undefined => run && `${run.createdAt}.${run.id}`;

function placeOf(cursor: string): RunPlace {
  const [, createdAt, id = ""] = /^(\d{1,15})\.(.+)$/.exec(cursor) ?? [];
  if (createdAt !== undefined && isRunId(id)) return { createdAt: Number(createdAt), id };
  throw new InputError(
    `Invalid cursor ${JSON.stringify(cursor.slice(0, 60))}: expected "next" of an earlier page`,
  );
}
