import { parseJson, parseOwnJson } from "../../base/json.ts";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import { ifThere, lstatIfThere } from "../../base/files.ts";
import { processLog } from "../../base/log.ts";
import type { Table } from "../store.ts";
import type { Database } from "./database.ts";
import { explain } from "./explain.ts";
import type { Lifetime } from "./lifetime.ts";
import { checkKey, checkRevision, type Revisions } from "./revisions.ts";

const PREFIX = "s-";
/** One file for all keys: it is only written under the database's lock. */
const UNFINISHED = ".unfinished";

interface Kept {
  readonly revision: number;
  readonly value: string;
}

/**
 * The sealed secrets of open runs, one file each beside the database. Data deleted from a database remain in
 * its free pages and log until they are overwritten; a deleted file leaves nothing there. Changes are made
 * under the database's write lock, so that one process writes at a time.
 */
export function secretFiles(
  database: Database,
  lifetime: Lifetime,
  revisions: Revisions,
  folder: string,
): Table<string> {
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(folder, PREFIX + encodeURIComponent(key));
  };
  const change = <T>(key: string, revision: number, work: () => T): Promise<T> =>
    lifetime.call(() =>
      database.write(() => {
        checkRevision(key, read(pathOf(key))?.revision, revision);
        try {
          return work();
        } catch (error) {
          throw explain(error);
        }
      })
    );

  return {
    get: (key) => lifetime.call(() => read(pathOf(key))),

    put: (key, value, revision) =>
      change(key, revision, () => {
        const next = revisions.next();
        makeFolder(folder);
        writeKept(folder, pathOf(key), { revision: next, value });
        return next;
      }),

    delete: (key, revision) => change(key, revision, () => rmSync(pathOf(key), { force: true })),

    list: ({ after = "", limit = 100 } = {}) =>
      lifetime.call(() => {
        if (!lstatIfThere(folder)) return [];
        const keys = readdirSync(folder).filter((name) => name.startsWith(PREFIX))
          .map((name) => decodeURIComponent(name.slice(PREFIX.length)));
        return keys.filter((key) => key > after).sort().slice(0, limit)
          .map((key) => ({ key, value: read(pathOf(key))?.value ?? "" }));
      }),
  };
}

/**
 * Undefined if there is no file. An unreadable file has an empty value, and a revision with which it can be
 * overwritten.
 */
function read(path: string): Kept | undefined {
  const text = ifThere(path, () => readFileSync(path, "utf8"));
  if (text === undefined) return undefined;
  try {
    const { revision, value } = parseJson(text) as Partial<Kept>;
    if (typeof revision === "number" && typeof value === "string") return { revision, value };
  } catch {
    // Another program has changed the file.
  }
  return { revision: 1, value: "" };
}

/** Writes atomically. An unfinished file left by a crash is removed at the next start. */
function writeKept(folder: string, path: string, kept: Kept): void {
  const unfinished = join(folder, UNFINISHED);
  writeFileSync(unfinished, JSON.stringify(kept), { mode: 0o600 });
  renameSync(unfinished, path);
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (lstatIfThere(folder)?.isDirectory()) return;
  throw new UnavailableError(`Cannot keep secrets in "${folder}": expected a folder`);
}

/**
 * Moves the sealed secrets that earlier releases kept in the database to files, and rewrites the database
 * once, so that none remain in its free pages. A failure (another process uses the database, no space) is
 * logged and retried at the next start.
 */
export function emptyDatabaseOfSecrets(database: Database, folder: string): void {
  database.write(() => rmSync(join(folder, UNFINISHED), { force: true }));
  const done = database.prepare("SELECT 1 FROM meta WHERE key = 'secrets'");
  if (database.run(() => done.get()) !== undefined) return;
  try {
    database.write(() => {
      const rows = database.prepare("SELECT key, revision, value FROM items WHERE kind = 'secret'").all();
      if (rows.length > 0) makeFolder(folder);
      for (const row of rows) {
        const kept: Kept = { revision: Number(row["revision"]), value: parseOwnJson(String(row["value"])) };
        writeKept(folder, join(folder, PREFIX + encodeURIComponent(String(row["key"]))), kept);
      }
      database.prepare("DELETE FROM items WHERE kind = 'secret'").run();
    });
    const hasRuns = database.run(() => database.prepare("SELECT 1 FROM runs LIMIT 1").get()) !== undefined;
    // It makes a copy of everything, which may be too much for memory.
    if (hasRuns) {
      try {
        database.exec("PRAGMA temp_store = FILE; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
      } finally {
        database.exec("PRAGMA temp_store = MEMORY");
      }
    }
    database.write(() => database.prepare("INSERT OR IGNORE INTO meta VALUES ('secrets', 1)").run());
  } catch (error) {
    processLog("backend").warn(
      "Cannot clear the database of earlier secrets, will try at the next start: {why}",
      {
        why: messageOf(error),
      },
    );
  }
}
