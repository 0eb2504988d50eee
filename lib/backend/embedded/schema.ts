import { UnavailableError } from "../../base/errors.ts";
import type { Database } from "./database.ts";

/**
 * Migrations from each schema version to the next. Append only, never change one. Times are milliseconds
 * since the epoch.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('revision', 0), ('owner', lower(hex(randomblob(16))));

  CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE consumers (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    stream TEXT NOT NULL,
    name TEXT NOT NULL,
    filters TEXT NOT NULL,
    ack_wait INTEGER NOT NULL,
    UNIQUE (scope, stream, name)
  ) STRICT;

  -- wanted: how many consumers are not done with it. At 0 only its id is kept, for as long as ids are remembered.
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    stream TEXT NOT NULL,
    id TEXT,
    at INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    subject TEXT NOT NULL,
    headers TEXT NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX messages_by_id ON messages (scope, stream, id, at) WHERE id IS NOT NULL;
  CREATE INDEX messages_done ON messages (scope, at) WHERE wanted = 0;

  -- due: 0 before the first delivery, then when it may be delivered again. held: 1 while a delivery is in hand.
  CREATE TABLE pending (
    consumer INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    due INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (consumer, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_by_due ON pending (consumer, due, seq);

  CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    stream TEXT NOT NULL,
    consumer TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    subject TEXT NOT NULL,
    id TEXT,
    headers TEXT NOT NULL,
    data BLOB NOT NULL
  ) STRICT;

  -- packed: 1 where data is compressed with Zstandard.
  CREATE TABLE logs (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    first INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    id TEXT,
    at INTEGER NOT NULL,
    headers TEXT NOT NULL,
    packed INTEGER NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX logs_by_run ON logs (run, seq);
  CREATE INDEX logs_by_id ON logs (id, at) WHERE id IS NOT NULL;

  CREATE TABLE items (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, key)
  ) STRICT;

  CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    outcome TEXT,
    created_at INTEGER NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  CREATE INDEX runs_open ON runs (created_at, id) WHERE outcome IS NULL;
  CREATE INDEX runs_by_age ON runs (created_at, id);
  CREATE INDEX runs_by_outcome ON runs (outcome, created_at, id);

  CREATE TABLE artifacts (
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (run, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE runs ADD COLUMN ended_at INTEGER;
  UPDATE runs SET ended_at = CAST(json_extract(value, '$.endedAt') AS INTEGER) WHERE outcome IS NOT NULL;
  CREATE INDEX runs_by_end ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
  `,
  `
  -- Permission bits; 420 is 0644.
  ALTER TABLE artifacts ADD COLUMN mode INTEGER NOT NULL DEFAULT 420;
  `,
  `
  -- What could not be read, by its kind (run, pipeline, message …) and key. Without a value it stays where it is.
  CREATE TABLE set_aside (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    value ANY,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What runs are listed by. A run keeps its resource and pipeline; the reason comes with its end.
  ALTER TABLE runs ADD COLUMN name TEXT;
  ALTER TABLE runs ADD COLUMN type TEXT;
  ALTER TABLE runs ADD COLUMN pipeline TEXT;
  ALTER TABLE runs ADD COLUMN reason TEXT;
  UPDATE runs SET
    name = json_extract(value, '$.resource.name'),
    type = json_extract(value, '$.resource.resource'),
    pipeline = json_extract(value, '$.pipeline.name'),
    reason = CASE WHEN outcome IS NOT NULL THEN json_extract(value, '$.verdict.reason') END
  WHERE json_valid(value);
  CREATE INDEX runs_by_name ON runs (name, created_at, id);
  CREATE INDEX runs_by_reason ON runs (reason, created_at, id) WHERE reason IS NOT NULL;
  `,
  `
  -- The size of all logs: to add it up takes seconds in a large database.
  INSERT INTO meta SELECT 'log_bytes', coalesce(sum(length(data)), 0) FROM logs;
  CREATE TRIGGER logs_added AFTER INSERT ON logs BEGIN
    UPDATE meta SET value = value + length(new.data) WHERE key = 'log_bytes';
  END;
  CREATE TRIGGER logs_removed AFTER DELETE ON logs BEGIN
    UPDATE meta SET value = value - length(old.data) WHERE key = 'log_bytes';
  END;
  `,
  `
  -- When the file was modified, seconds since the epoch.
  ALTER TABLE artifacts ADD COLUMN mtime INTEGER;
  `,
];

/**
 * Migrates the schema to the current version; safe if several processes do so at once. Throws
 * `UnavailableError` if the schema is newer than this program, or older and `isInUse`: an older release then
 * works with it.
 */
export function migrate(database: Database, path: string, isInUse: () => boolean): void {
  if (isCurrent(database)) return;
  database.write(() => {
    const version = versionOf(database);
    if (version > MIGRATIONS.length) {
      throw new UnavailableError(
        `Cannot use "${path}": its schema has version ${version}, expected ${MIGRATIONS.length} at most`,
        { hint: "A newer release has written it: use that one, or another data folder." },
      );
    }
    // Another process of this release may have migrated it while this one waited for the lock.
    if (version === MIGRATIONS.length) return;
    if (version > 0 && isInUse()) {
      throw new UnavailableError(
        `Cannot use "${path}": a process of an older release is working with it, and its schema has version ${version}, expected ${MIGRATIONS.length}`,
        { hint: "Use that release until the process has ended, or end it first." },
      );
    }
    for (const step of MIGRATIONS.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** Returns whether the database has the schema of this release. */
export const isCurrent = (database: Database): boolean => versionOf(database) === MIGRATIONS.length;

function versionOf(database: Database): number {
  return database.run(() => Number(database.prepare("PRAGMA user_version").get()?.["user_version"]));
}
