import type { SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Run } from "../../wire/run.ts";
import type { RunQuery } from "../store.ts";
import type { Database } from "./database.ts";
import { isUnreadable } from "./set-aside.ts";

type Row = Record<string, SQLOutputValue>;
/** A run's position in a list: its creation time and id. */
type Place = [number, string];

/**
 * Lists runs. Each combination of conditions has its own statement, prepared once. `parse` reads the value of
 * a row; if one of them is unreadable, `read` reads the runs one by one.
 */
export function runLists(
  database: Database,
  { parse, read }: { parse: (row: Row) => Run; read: (id: string) => Run | undefined },
): (query: RunQuery) => Run[] {
  const places = database.prepare(
    `SELECT created_at, id FROM runs INDEXED BY runs_by_age WHERE (created_at, id) < (?, ?)
     ORDER BY created_at DESC, id DESC LIMIT 1`,
  );
  const createdAt = database.prepare("SELECT created_at FROM runs WHERE id = ?");
  const statements = new Map<string, StatementSync>();

  function statement(conditions: readonly string[]): StatementSync {
    const where = conditions.join(" AND ");
    let known = statements.get(where);
    if (!known) {
      known = database.prepare(
        `SELECT value FROM runs WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ?`,
      );
      statements.set(where, known);
    }
    return known;
  }

  /** Returns the position after which the page begins; undefined for an unknown id. */
  function placeOf(before: RunQuery["before"]): Place | undefined {
    if (before === undefined) return [Number.MAX_SAFE_INTEGER, ""];
    if (typeof before !== "string") return [Math.trunc(before.createdAt), before.id];
    const row = createdAt.get(before);
    return row && [Number(row["created_at"]), before];
  }

  function rows(
    { outcome, reason, name, type, pipeline, since, until, limit = 100 }: RunQuery,
    place: Place,
  ): Row[] {
    const equal = Object.entries({
      name,
      type,
      pipeline,
      reason,
      outcome: outcome === "open" ? undefined : outcome,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const conditions = equal.map(([column]) => `${column} = ?`);
    const values: SQLInputValue[] = equal.map(([, value]) => value);
    if (outcome === "open") conditions.push("outcome IS NULL");
    if (since !== undefined) {
      conditions.push("created_at >= ?");
      values.push(Math.ceil(since));
    }
    if (until !== undefined) {
      conditions.push("created_at < ?");
      values.push(Math.ceil(until));
    }
    conditions.push("(created_at, id) < (?, ?)");
    return statement(conditions).all(...values, ...place, limit);
  }

  /** Reads runs one by one, so that an unreadable one does not hide the others. */
  function readable(query: RunQuery, place: Place): Run[] {
    const found: Run[] = [];
    for (let last = place; found.length < (query.limit ?? 100);) {
      const row = database.run(() => places.get(...last));
      if (!row) break;
      last = [Number(row["created_at"]), String(row["id"])];
      const run = read(last[1]);
      if (run && isListed(run, query)) found.push(run);
    }
    return found;
  }

  return (query) => {
    const place = database.run(() => placeOf(query.before));
    if (!place) return [];
    try {
      return database.run(() => rows(query, place)).map(parse);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return readable(query, place);
    }
  };
}

function isListed(run: Run, { outcome, reason, name, type, pipeline, since, until }: RunQuery): boolean {
  const is = <T>(wanted: T | undefined, value: T) => wanted === undefined || wanted === value;
  return (outcome === "open" ? run.outcome === undefined : is(outcome, run.outcome)) &&
    (reason === undefined || (run.outcome !== undefined && run.verdict?.reason === reason)) &&
    is(name, run.resource.name) && is(type, run.resource.resource) && is(pipeline, run.pipeline.name) &&
    (since === undefined || run.createdAt >= since) && (until === undefined || run.createdAt < until);
}
