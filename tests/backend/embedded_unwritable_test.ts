import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { Database } from "../../lib/backend/embedded/database.ts";
import { DamagedError } from "../../lib/backend/embedded/explain.ts";
import { openUnwritable } from "../../lib/backend/embedded/unwritable.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** A database with a write-ahead log and one row, whose path a URL has to escape. */
async function closedDatabase() {
  const folder = await temporaryFolder();
  const path = join(folder.path, "a ?%#.db");
  const write = () => {
    const sqlite = new DatabaseSync(path);
    sqlite.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)");
    return sqlite;
  };
  write().close();
  return { path, write, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

function open(path: string) {
  const unwritable = openUnwritable(path);
  assert.ok(unwritable);
  const { sqlite, check } = unwritable;
  const rows = () => {
    const count = sqlite.prepare("SELECT count(*) AS n FROM t").get()?.["n"];
    check();
    return count;
  };
  return { rows, [Symbol.dispose]: () => sqlite.close() };
}

test("a closed database is read as it stands, and no more once somebody changes it", async () => {
  await using database = await closedDatabase();
  {
    using reader = open(database.path);
    assert.equal(reader.rows(), 1);
    using _writer = database.write();
    assert.throws(() => reader.rows(), (error: Error) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, /a \?%#\.db": another process has changed it while it was read$/);
      return true;
    });
  }
  {
    using reader = open(database.path);
    assert.equal(reader.rows(), 2);
    const writer = database.write();
    // The file grows: a change of the same size may fall into the same tick of the clock.
    writer.exec("INSERT INTO t VALUES (zeroblob(100000))");
    writer.close();
    assert.throws(() => reader.rows(), UnavailableError);
  }
});

test("a closed database that somebody changes while it is read is not called damaged", async () => {
  await using closed = await closedDatabase();
  await using database = new Database(closed.path, () => 0, {
    unwritable: openUnwritable(closed.path) ?? assert.fail(),
  });
  assert.throws(
    () =>
      database.run(() => {
        closed.write().close();
        throw new DamagedError("The database is damaged");
      }),
    UnavailableError,
  );
});

test("a database in use is read with its log, and what is written meanwhile too", async () => {
  await using database = await closedDatabase();
  using writer = database.write();
  using reader = open(database.path);
  assert.equal(reader.rows(), 2);
  writer.exec("INSERT INTO t VALUES (2)");
  assert.equal(reader.rows(), 3);
});

test("a database is not read with one of its log and the log's index only, or with a journal", async () => {
  await using database = await closedDatabase();
  for (const left of ["-wal", "-shm", "-journal"]) {
    writeFileSync(`${database.path}${left}`, "anything");
    assert.equal(openUnwritable(database.path), undefined, left);
    rmSync(`${database.path}${left}`);
  }
});
