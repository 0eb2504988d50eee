import type { Table } from "../store.ts";
import type { Database } from "./database.ts";
import type { Lifetime } from "./lifetime.ts";
import { checkKey, checkRevision, type Revisions } from "./revisions.ts";

/** The table of one kind of values, in the one that has all kinds. */
export function itemTable<T>(
  database: Database,
  lifetime: Lifetime,
  revisions: Revisions,
  kind: string,
): Table<T> {
  const get = database.prepare("SELECT value, revision FROM items WHERE kind = ? AND key = ?");
  const revisionOf = database.prepare("SELECT revision FROM items WHERE kind = ? AND key = ?");
  const put = database.prepare(
    `INSERT INTO items (kind, key, revision, value) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value`,
  );
  const remove = database.prepare("DELETE FROM items WHERE kind = ? AND key = ?");
  const list = database.prepare(
    "SELECT key, value FROM items WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
  );
  const check = (key: string, revision: number) =>
    checkRevision(key, revisionOf.get(kind, key)?.["revision"], revision);

  return {
    get: (key) =>
      lifetime.call(() => {
        const row = database.run(() => get.get(kind, key));
        return row && { value: JSON.parse(String(row["value"])), revision: Number(row["revision"]) };
      }),

    put: (key, value, revision) =>
      lifetime.call(() => {
        checkKey(key);
        const text = JSON.stringify(value);
        return database.write(() => {
          check(key, revision);
          const next = revisions.next();
          put.run(kind, key, next, text);
          return next;
        });
      }),

    delete: (key, revision) =>
      lifetime.call(() =>
        database.write(() => {
          check(key, revision);
          remove.run(kind, key);
        })
      ),

    list: ({ after = "", limit = 100 } = {}) =>
      lifetime.call(() => {
        const rows = database.run(() => list.all(kind, after, limit));
        return rows.map((row) => ({ key: String(row["key"]), value: JSON.parse(String(row["value"])) }));
      }),
  };
}
