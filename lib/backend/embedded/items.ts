import type { SQLOutputValue } from "node:sqlite";
import { parseJson } from "../../base/json.ts";
import type { Change, Table } from "../store.ts";
import type { Database } from "./database.ts";
import type { Lifetime } from "./lifetime.ts";
import { checkKey, checkRevision, type Revisions } from "./revisions.ts";
import { isUnreadable, type SetAside } from "./set-aside.ts";

/** Dependencies of all tables of one store. */
export interface TableParts {
  readonly lifetime: Lifetime;
  readonly revisions: Revisions;
  readonly aside: SetAside;
}

/** A table whose changes can be part of a larger transaction. */
export interface ItemTable<T> extends Table<T> {
  /**
   * Returns a function that applies the change and returns the new revision, to be called within a
   * transaction. The value is that of now. The function throws `ConflictError`.
   */
  applying(change: Change<T>): () => number;
}

/** Returns the table of one kind of values; all kinds are in one database table. */
export function itemTable<T>(
  database: Database,
  { lifetime, revisions, aside }: TableParts,
  kind: string,
): ItemTable<T> {
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
  const keys = database.prepare("SELECT key FROM items WHERE kind = ? AND key > ? ORDER BY key LIMIT ?");
  // Safe to interpolate: kinds are constants of ours.
  const copy = database.prepare(
    `INSERT OR REPLACE INTO set_aside (kind, at, why, key, value)
     SELECT ?1, ?2, ?3, ?4, value FROM items WHERE kind = '${kind}' AND key = ?4`,
  );
  const drop = database.prepare(`DELETE FROM items WHERE kind = '${kind}' AND key = ?`);
  const check = (key: string, revision: number) =>
    checkRevision(key, aside.has(kind, key) ? 0 : revisionOf.get(kind, key)?.["revision"], revision);
  const read = (key: string) =>
    aside.read({ kind, key, copy, remove: drop }, () => {
      const row = database.run(() => get.get(kind, key));
      return row && { value: valueOf<T>(row), revision: Number(row["revision"]) };
    });

  function applying({ key, value, revision }: Change<T>): () => number {
    const text = value === undefined ? undefined : JSON.stringify(value);
    return () => {
      if (revision !== undefined) check(key, revision);
      if (text === undefined) {
        remove.run(kind, key);
        return 0;
      }
      const next = revisions.next();
      put.run(kind, key, next, text);
      return next;
    };
  }

  /** Reads values one by one, so that an unreadable one does not hide the others. */
  function readable(after: string, limit: number): { key: string; value: T }[] {
    const found: { key: string; value: T }[] = [];
    for (let last = after; found.length < limit;) {
      const rows = database.run(() => keys.all(kind, last, limit));
      for (const row of rows) {
        last = String(row["key"]);
        const value = read(last)?.value;
        if (value !== undefined && found.length < limit) found.push({ key: last, value });
      }
      if (rows.length < limit) break;
    }
    return found;
  }

  return {
    get: (key) => lifetime.call(() => read(key)),

    put: (key, value, revision) =>
      lifetime.call(() => {
        checkKey(key);
        return database.writeSoon(applying({ key, value, revision }));
      }),

    delete: (key, revision) =>
      lifetime.call(async () => void await database.writeSoon(applying({ key, revision }))),

    applying,

    list: ({ after = "", limit = 100 } = {}) =>
      lifetime.call(() => {
        try {
          const rows = database.run(() => list.all(kind, after, limit));
          return rows.map((row) => ({ key: String(row["key"]), value: valueOf<T>(row) }));
        } catch (error) {
          if (!isUnreadable(error)) throw error;
          return readable(after, limit);
        }
      }),
  };
}

const valueOf = <T>(row: Record<string, SQLOutputValue>): T => parseJson(String(row["value"]), OWN) as T;

/** Stored values were checked by stricter limits when they arrived. */
const OWN = { maxDepth: 1000 };
