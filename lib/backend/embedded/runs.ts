import type { SQLOutputValue } from "node:sqlite";
import { z } from "zod";
import { parseJson } from "../../base/json.ts";
import { RecentMap } from "../../base/recent-map.ts";
import { OutboxMessage, OUTCOMES, type Run, StepState } from "../../wire/run.ts";
import type { RunTable } from "../store.ts";
import type { Database } from "./database.ts";
import type { TableParts } from "./items.ts";
import { runLists } from "./run-lists.ts";
import { checkKey, checkRevision } from "./revisions.ts";
import { UnreadableError } from "./set-aside.ts";
import { OthersWatch } from "./others-watch.ts";
import { Watchers } from "./watchers.ts";

/** Runs, whose changes can be part of a larger transaction. */
export interface EmbeddedRuns extends RunTable {
  /** As `put`, together with other changes within the same transaction. */
  putWith(run: Run, revision: number, others: () => void): Promise<number>;
}

/** Runs, with an index for each kind of lookup. */
export function runTable(database: Database, { lifetime, revisions, aside }: TableParts): EmbeddedRuns {
  const watchers = new Watchers();
  const others = new OthersWatch(database, () => watchers.tellAll());
  lifetime.signal.addEventListener("abort", () => others.stop(), { once: true });
  /** Revisions of the records that have passed validation, by run. */
  const checked = new RecentMap<number>(CHECKED);
  const sql = statementsOf(database);
  const read = (id: string) =>
    aside.read({ kind: "run", key: id, copy: sql.copy, remove: sql.remove }, () => {
      const row = database.run(() => sql.get.get(id));
      if (!row) return undefined;
      const revision = Number(row["revision"]);
      const value = runOf(row, checked.get(id) === revision ? undefined : id);
      checked.set(id, revision);
      return { value, revision };
    });

  async function putWith(id: string, run: Run, revision: number, others?: () => void): Promise<number> {
    const text = JSON.stringify(run);
    const next = await database.writeSoon(() => {
      const next = apply(id, run, revision, text);
      others?.();
      return next;
    });
    checked.set(id, next);
    watchers.tell(id);
    return next;
  }

  function apply(id: string, run: Run, revision: number, text: string): number {
    const found = sql.stateOf.get(id);
    checkRevision(id, found?.["revision"], revision);
    const next = revisions.next();
    const { outcome = null } = run;
    const created = Math.trunc(run.createdAt);
    const ended = outcome === null || run.endedAt === undefined ? null : Math.trunc(run.endedAt);
    const reason = outcome === null ? null : run.verdict?.reason ?? null;
    if (!found) {
      const { resource: { name, resource: type }, pipeline } = run;
      sql.insert.run(id, next, outcome, created, ended, reason, name, type, pipeline.name, text);
      return next;
    }
    sql.update.run(next, text, id);
    const { outcome: hadOutcome, created_at: hadCreated, ended_at: hadEnded } = found;
    if (hadOutcome !== outcome || hadCreated !== created || hadEnded !== ended) {
      sql.reindex.run(outcome, created, ended, reason, id);
    }
    return next;
  }

  const list = runLists(database, { read: (id) => read(id)?.value, parse: (row) => runOf(row) });

  return {
    get: (id) => lifetime.call(() => read(id)),

    put: (id, run, revision) =>
      lifetime.call(() => {
        checkKey(id);
        return putWith(id, run, revision);
      }),

    putWith: (run, revision, others) => putWith(run.id, run, revision, others),

    delete: (id, revision) =>
      lifetime.call(() => {
        database.write(() => {
          checkRevision(id, sql.stateOf.get(id)?.["revision"], revision);
          sql.remove.run(id);
        });
        watchers.tell(id);
      }),

    open: () =>
      lifetime.call(() => {
        const ids = database.run(() => sql.open.all()).map((row) => String(row["id"]));
        return ids.filter((id) => !aside.has("run", id));
      }),

    list: (query = {}) => lifetime.call(() => list(query)),

    ended: ({ until, after = { endedAt: Number.MIN_SAFE_INTEGER, id: "" }, limit = 100 }) =>
      lifetime.call(() =>
        database.run(() => sql.ended.all(Math.floor(until), after.endedAt, after.id, limit)).map((row) => ({
          endedAt: Number(row["ended_at"]),
          id: String(row["id"]),
        }))
      ),

    endedCount: () => lifetime.call(() => Number(database.run(() => sql.endedCount.get())?.["count"])),

    find: (prefix, limit) =>
      lifetime.call(() =>
        database.run(() => sql.find.all(prefix, prefix + LAST_CHARACTER, limit)).map((row) =>
          String(row["id"])
        )
      ),

    watch: (id, changed) =>
      lifetime.call(() => {
        const watching = watchers.add(id, changed);
        others.start();
        return {
          async [Symbol.asyncDispose]() {
            await watching[Symbol.asyncDispose]();
            if (watchers.isEmpty) others.stop();
          },
        };
      }),
  };
}

function statementsOf(database: Database) {
  return {
    get: database.prepare("SELECT value, revision FROM runs WHERE id = ?"),
    stateOf: database.prepare("SELECT revision, outcome, created_at, ended_at FROM runs WHERE id = ?"),
    insert: database.prepare(
      `INSERT INTO runs (id, revision, outcome, created_at, ended_at, reason, name, type, pipeline, value)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    // Most changes leave the indices alone: naming an indexed column would rewrite its index even if the
    // value is the same.
    update: database.prepare("UPDATE runs SET revision = ?, value = ? WHERE id = ?"),
    reindex: database.prepare(
      "UPDATE runs SET outcome = ?, created_at = ?, ended_at = ?, reason = ? WHERE id = ?",
    ),
    remove: database.prepare("DELETE FROM runs WHERE id = ?"),
    open: database.prepare("SELECT id FROM runs WHERE outcome IS NULL ORDER BY created_at, id"),
    ended: database.prepare(
      `SELECT ended_at, id FROM runs WHERE ended_at <= ? AND (ended_at, id) > (?, ?)
       ORDER BY ended_at, id LIMIT ?`,
    ),
    endedCount: database.prepare("SELECT count(*) AS count FROM runs WHERE ended_at IS NOT NULL"),
    find: database.prepare("SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"),
    copy: database.prepare(
      `INSERT OR REPLACE INTO set_aside (kind, at, why, key, value)
       SELECT ?1, ?2, ?3, ?4, value FROM runs WHERE id = ?4`,
    ),
  };
}

/**
 * The parts of a record that the engine relies on; the rest was checked by stricter rules when it arrived.
 */
const Skeleton = z.looseObject({
  schema: z.literal(1),
  id: z.string(),
  operation: z.string(),
  resource: z.looseObject({ name: z.string(), resource: z.string() }),
  pipeline: z.looseObject({ name: z.string(), steps: z.array(z.looseObject({ id: z.string() })) }),
  steps: z.array(StepState),
  earlier: z.array(z.array(StepState)).optional(),
  createdAt: z.number(),
  timeoutMs: z.number(),
  restartsLeft: z.number(),
  outcome: z.enum(OUTCOMES).optional(),
  outbox: z.array(OutboxMessage),
});

/**
 * Parses a row's run. If `id` is given, the record is validated too. Throws `UnreadableError`, `SyntaxError`.
 */
function runOf(row: Record<string, SQLOutputValue>, id?: string): Run {
  const value = parseJson(String(row["value"]), { maxDepth: MAX_RECORD_DEPTH }) as Run;
  if (id === undefined) return value;
  const issue = Skeleton.safeParse(value).error?.issues[0];
  if (issue) throw new UnreadableError(`${["record", ...issue.path].join(".")}: ${issue.message}`);
  if (value.id !== id) throw new UnreadableError("it is that of another run");
  return value;
}

const MAX_RECORD_DEPTH = 1000;
const CHECKED = 10_000;
const LAST_CHARACTER = "\u{10ffff}";
