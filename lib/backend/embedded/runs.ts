import type { Run } from "../../wire/run.ts";
import type { RunTable } from "../store.ts";
import type { Database } from "./database.ts";
import type { Lifetime } from "./lifetime.ts";
import { checkKey, checkRevision, type Revisions } from "./revisions.ts";
import { Watchers } from "./watchers.ts";

/** Runs, with an index for each way in which they are looked up. */
export function runTable(database: Database, lifetime: Lifetime, revisions: Revisions): RunTable {
  const watchers = new Watchers();
  const get = database.prepare("SELECT value, revision FROM runs WHERE id = ?");
  const stateOf = database.prepare("SELECT revision, outcome, created_at, ended_at FROM runs WHERE id = ?");
  const insert = database.prepare(
    "INSERT INTO runs (id, revision, outcome, created_at, ended_at, value) VALUES (?, ?, ?, ?, ?, ?)",
  );
  // Most changes leave the indices as they are: naming an indexed column writes its index anew, changed or not.
  const update = database.prepare("UPDATE runs SET revision = ?, value = ? WHERE id = ?");
  const reindex = database.prepare("UPDATE runs SET outcome = ?, created_at = ?, ended_at = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM runs WHERE id = ?");
  const open = database.prepare("SELECT id FROM runs WHERE outcome IS NULL ORDER BY created_at, id");
  const ended = database.prepare(
    `SELECT ended_at, id FROM runs WHERE ended_at <= ? AND (ended_at, id) > (?, ?)
     ORDER BY ended_at, id LIMIT ?`,
  );
  const find = database.prepare("SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?");
  const createdAt = database.prepare("SELECT created_at FROM runs WHERE id = ?");
  const page = (condition: string) =>
    database.prepare(
      `SELECT value FROM runs WHERE ${condition} (created_at, id) < (?, ?)
       ORDER BY created_at DESC, id DESC LIMIT ?`,
    );
  const lists = { any: page(""), open: page("outcome IS NULL AND"), ended: page("outcome = ? AND") };
  /** Where the page after `before` begins; a run that is gone begins nothing. */
  const place = (before: string | undefined): [number, string] | undefined => {
    if (before === undefined) return [Number.MAX_SAFE_INTEGER, ""];
    const row = createdAt.get(before);
    return row && [Number(row["created_at"]), before];
  };

  return {
    get: (id) =>
      lifetime.call(() => {
        const row = database.run(() => get.get(id));
        return row && { value: JSON.parse(String(row["value"])), revision: Number(row["revision"]) };
      }),

    put: (id, run, revision) =>
      lifetime.call(() => {
        checkKey(id);
        const text = JSON.stringify(run);
        const next = database.write(() => {
          const found = stateOf.get(id);
          checkRevision(id, found?.["revision"], revision);
          const next = revisions.next();
          const { outcome = null } = run;
          const created = Math.trunc(run.createdAt);
          const ended = outcome === null || run.endedAt === undefined ? null : Math.trunc(run.endedAt);
          if (!found) {
            insert.run(id, next, outcome, created, ended, text);
            return next;
          }
          update.run(next, text, id);
          const { outcome: hadOutcome, created_at: hadCreated, ended_at: hadEnded } = found;
          if (hadOutcome !== outcome || hadCreated !== created || hadEnded !== ended) {
            reindex.run(outcome, created, ended, id);
          }
          return next;
        });
        watchers.tell(id);
        return next;
      }),

    delete: (id, revision) =>
      lifetime.call(() => {
        database.write(() => {
          checkRevision(id, stateOf.get(id)?.["revision"], revision);
          remove.run(id);
        });
        watchers.tell(id);
      }),

    open: () => lifetime.call(() => database.run(() => open.all()).map((row) => String(row["id"]))),

    list: ({ outcome, before, limit = 100 } = {}) =>
      lifetime.call(() => {
        const rows = database.run(() => {
          const from = place(before);
          if (!from) return [];
          if (outcome === undefined) return lists.any.all(...from, limit);
          return outcome === "open"
            ? lists.open.all(...from, limit)
            : lists.ended.all(outcome, ...from, limit);
        });
        return rows.map((row): Run => JSON.parse(String(row["value"])));
      }),

    ended: ({ until, after = { endedAt: Number.MIN_SAFE_INTEGER, id: "" }, limit = 100 }) =>
      lifetime.call(() =>
        database.run(() => ended.all(Math.floor(until), after.endedAt, after.id, limit)).map((row) => ({
          endedAt: Number(row["ended_at"]),
          id: String(row["id"]),
        }))
      ),

    find: (prefix, limit) =>
      lifetime.call(() =>
        database.run(() => find.all(prefix, prefix + LAST_CHARACTER, limit)).map((row) => String(row["id"]))
      ),

    watch: (id, changed) => lifetime.call(() => watchers.add(id, changed)),
  };
}

const LAST_CHARACTER = "\u{10ffff}";
