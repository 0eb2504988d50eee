import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type Embedded, openEmbedded, openHistory } from "../../lib/backend/embedded/embedded.ts";
import { UnavailableError } from "../../lib/base/errors.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { OTHER_RUN, publishBatch, RUN, runOf } from "./store-conformance/opened.ts";
import { bytes } from "./transport-conformance/opened.ts";

test("openEmbedded makes everything for its user only, whatever the umask", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "state", "flutter-ci");
  const umask = process.umask(0);
  try {
    await using embedded = await openEmbedded({ folder: path, scope: "up" });
    await publishBatch(embedded.transport, ["1"]);
    await embedded.transport.putBlob(RUN, "lib/a.so", bytes("a"));
    const names = ["", ...await readdir(path, { recursive: true })];
    assert.ok(names.includes("conveyor.db-wal") && names.includes("conveyor.db-shm"), names.join());
    for (const name of names) {
      const { mode } = await stat(join(path, name));
      const isFolder = (mode & 0o40000) !== 0;
      assert.equal((mode & 0o777).toString(8), isFolder ? "700" : "600", name);
    }
  } finally {
    process.umask(umask);
  }
});

test("openEmbedded closes an empty folder or one that was its own, and leaves a folder with other things as it is", async () => {
  await using folder = await temporaryFolder();
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  const openOnce = async (path: string) => {
    await using _embedded = await openEmbedded({ folder: path, scope: "up" });
  };
  const [empty, used] = [join(folder.path, "empty"), join(folder.path, "used")];
  await mkdir(empty);
  await chmod(empty, 0o775);
  await openOnce(empty);
  assert.equal(await modeOf(empty), "700");
  await chmod(empty, 0o755);
  await openOnce(empty);
  assert.equal(await modeOf(empty), "700");
  await mkdir(used);
  await writeFile(join(used, "other"), "");
  await chmod(used, 0o755);
  await openOnce(used);
  assert.equal(await modeOf(used), "755");
  assert.equal(await modeOf(join(used, "conveyor.db")), "600");
});

test("openEmbedded refuses a folder with other things in it that others may change", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "other"), "");
  await chmod(folder.path, 0o777);
  await assert.rejects(openEmbedded({ folder: folder.path, scope: "up" }), unavailable(folder.path));
  assert.deepEqual(await readdir(folder.path), ["other"]);
});

test("openEmbedded says which path it cannot use", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "file");
  await writeFile(file, "");
  for (const path of [file, join(file, "below")]) {
    const what = `Cannot use "${path}" as data folder: ${path === file ? "it" : `"${file}"`} is a file,`;
    await assert.rejects(openEmbedded({ folder: path, scope: "up" }), unavailable(what));
    await assert.rejects(openHistory(path), unavailable(what));
  }
  const damaged = join(folder.path, "damaged");
  await mkdir(damaged, { mode: 0o700 });
  await writeFile(join(damaged, "conveyor.db"), "This is no database".repeat(1000));
  await assert.rejects(openEmbedded({ folder: damaged, scope: "up" }), unavailable(damaged));
  await assert.rejects(openHistory(damaged), unavailable(damaged));
});

test("openEmbedded and openHistory refuse a newer schema and leave it alone", async () => {
  await using folder = await temporaryFolder();
  {
    await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
    await embedded.store.runs.put(RUN, runOf(RUN), 0);
  }
  const database = join(folder.path, "conveyor.db");
  {
    using sqlite = new DatabaseSync(database);
    sqlite.exec("PRAGMA user_version = 1000");
  }
  await assert.rejects(openEmbedded({ folder: folder.path, scope: "up" }), unavailable("1000"));
  await assert.rejects(openHistory(folder.path), unavailable("1000"));
  using sqlite = new DatabaseSync(database);
  assert.equal(sqlite.prepare("PRAGMA user_version").get()?.["user_version"], 1000);
  assert.equal(sqlite.prepare("SELECT count(*) AS runs FROM runs").get()?.["runs"], 1);
});

test("openEmbedded brings a folder of the first schema up to date, with what it holds", async () => {
  await using folder = await temporaryFolder();
  const ended = { id: OTHER_RUN, endedAt: 1_700_000_000_000 };
  let stored: Awaited<ReturnType<Embedded["stored"]>>;
  {
    await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
    await embedded.store.runs.put(RUN, runOf(RUN), 0);
    await embedded.store.runs.put(
      OTHER_RUN,
      runOf(OTHER_RUN, {
        outcome: "failed",
        verdict: { outcome: "failed", reason: "timeout", message: "" },
        ...ended,
      }),
      0,
    );
    await embedded.transport.putBlob(OTHER_RUN, "a", bytes("a"), { mode: 0o755 });
    await publishBatch(embedded.transport, ["a line"]);
    stored = await embedded.stored();
    assert.ok(stored.logBytes > 0);
  }
  {
    using sqlite = new DatabaseSync(join(folder.path, "conveyor.db"));
    sqlite.exec(`
      DROP INDEX runs_by_end; ALTER TABLE runs DROP COLUMN ended_at;
      DROP INDEX runs_by_name; DROP INDEX runs_by_reason;
      ALTER TABLE runs DROP COLUMN name; ALTER TABLE runs DROP COLUMN type;
      ALTER TABLE runs DROP COLUMN pipeline; ALTER TABLE runs DROP COLUMN reason;
      ALTER TABLE artifacts DROP COLUMN mode; ALTER TABLE artifacts DROP COLUMN mtime; DROP TABLE set_aside;
      DROP TRIGGER logs_added; DROP TRIGGER logs_removed; DELETE FROM meta WHERE key = 'log_bytes';
      PRAGMA user_version = 1`);
  }
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  assert.deepEqual(await embedded.store.runs.open(), [RUN]);
  assert.deepEqual(await embedded.stored(), stored);
  assert.equal((await embedded.store.artifacts.find(OTHER_RUN, "a"))?.mode, 0o644);
  assert.deepEqual(await embedded.store.runs.ended({ until: ended.endedAt }), [ended]);
  const timedOut = { reason: "timeout", name: "app", type: "flutter-builder", pipeline: "p" } as const;
  assert.deepEqual((await embedded.store.runs.list(timedOut)).map(({ id }) => id), [OTHER_RUN]);
});

test("owner and seal key are made once for a folder, and others for another", async () => {
  await using folder = await temporaryFolder();
  const facts = async (name: string) => {
    await using embedded = await openEmbedded({ folder: join(folder.path, name), scope: "up" });
    assert.equal(embedded.sealKey.length, 32);
    assert.match(embedded.owner, /^[0-9a-f]{32}$/);
    return { owner: embedded.owner, key: Buffer.from(embedded.sealKey).toString("hex") };
  };
  const first = await facts("a");
  assert.deepEqual(await facts("a"), first);
  const other = await facts("b");
  assert.notEqual(other.owner, first.owner);
  assert.notEqual(other.key, first.key);
  const file = join(folder.path, "a", "seal.key");
  assert.equal((await readFile(file)).toString("hex"), first.key);
  await writeFile(file, "short");
  await assert.rejects(facts("a"), unavailable(file));
});

test("stored counts the bytes of logs and the messages that could not be handled", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport } = embedded;
  assert.deepEqual(await embedded.stored(), { deadLetters: 0, logBytes: 0 });
  await publishBatch(transport, ["one line"]);
  const { logBytes } = await embedded.stored();
  assert.ok(logBytes > 0);
  await publishBatch(transport, ["another line"], { run: OTHER_RUN });
  assert.ok((await embedded.stored()).logBytes > logBytes);
  await embedded.removeLog(OTHER_RUN);
  assert.deepEqual(await embedded.stored(), { deadLetters: 0, logBytes });
  const spec = { stream: "messages", name: "d", filters: ["resources.d"], ackWaitMs: 30_000 } as const;
  await transport.ensureConsumer(spec);
  await transport.publish("resources.d", "no JSON", { id: "1" });
  for await (const delivery of transport.consume(spec, { signal: new AbortController().signal })) {
    await delivery.term("no JSON");
    break;
  }
  assert.deepEqual(await embedded.stored(), { deadLetters: 1, logBytes });
});

test("putBlob and removeRun leave no file that nobody can name", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport, store } = embedded;
  const files = async (name: string) =>
    (await readdir(join(folder.path, name), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile()).length;
  const broken = async function* () {
    yield await Promise.resolve(new Uint8Array(100_000));
    throw new Error("The source is broken");
  };
  for (const text of ["first", "second", "third"]) await transport.putBlob(RUN, "a", bytes(text));
  await assert.rejects(transport.putBlob(RUN, "a", broken()), /The source is broken/);
  assert.deepEqual([await files("artifacts"), await files("partial")], [1, 0]);
  await store.removeRun(RUN);
  assert.deepEqual(await readdir(join(folder.path, "artifacts")), []);
});

test("putBlob that is under way at dispose stores nothing and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  const embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const begun = Promise.withResolvers<void>();
  const hanging = async function* () {
    yield new Uint8Array(100_000);
    begun.resolve();
    await new Promise(() => {});
  };
  const storing = assert.rejects(embedded.transport.putBlob(RUN, "a", hanging()), /disposed/);
  await begun.promise;
  await embedded[Symbol.asyncDispose]();
  await storing;
  assert.deepEqual(await readdir(join(folder.path, "partial", "up")), []);
  await using history = await openHistory(folder.path);
  assert.deepEqual(await history.artifacts.list(RUN), []);
});

test("openHistory reads what others have written and are writing, and takes no scope", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  await using history = await openHistory(folder.path);
  await using _another = await openHistory(folder.path);
  await embedded.store.runs.put(RUN, runOf(RUN), 0);
  await publishBatch(embedded.transport, ["1", "2"]);
  assert.deepEqual(await history.runs.open(), [RUN]);
  assert.equal(await history.logs.count(RUN), 2);
  assert.deepEqual(embedded.deadScopes(), []);
});

test("openHistory of a folder that does not exist has nothing and makes nothing", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "never");
  await using history = await openHistory(path);
  assert.deepEqual(await history.runs.list(), []);
  assert.deepEqual(await history.logs.tail(RUN, 10), []);
  assert.deepEqual(await history.artifacts.list(RUN), []);
  assert.deepEqual(await readdir(folder.path), []);
});

function unavailable(named: string) {
  return (error: Error) => {
    assert.ok(error instanceof UnavailableError, String(error));
    assert.ok(error.message.includes(named), error.message);
    return true;
  };
}

test("openEmbedded and openHistory refuse a data folder whose parts are links, and touch nothing behind them", async () => {
  for (
    const name of ["reserve", "seal.key", "artifacts", "partial", "locks", "conveyor.db", "conveyor.db-wal"]
  ) {
    await using folder = await temporaryFolder();
    const [data, elsewhere] = [join(folder.path, "data"), join(folder.path, "elsewhere")];
    await mkdir(data, { mode: 0o700 });
    if (["artifacts", "partial", "locks"].includes(name)) await mkdir(elsewhere);
    else await writeFile(elsewhere, "precious");
    await symlink(elsewhere, join(data, name));
    await assert.rejects(openEmbedded({ folder: data, scope: "up" }), unavailable(join(data, name)));
    await assert.rejects(openHistory(data), unavailable(join(data, name)));
    assert.deepEqual(await readdir(data), [name]);
    if ((await stat(elsewhere)).isFile()) assert.equal(await readFile(elsewhere, "utf8"), "precious");
    else assert.deepEqual(await readdir(elsewhere), []);
  }
});

test("a folder in which an older release works is not migrated under its feet; once that has ended, it is", async () => {
  await using folder = await temporaryFolder();
  const older = await openEmbedded({ folder: folder.path, scope: "up" });
  using sqlite = new DatabaseSync(join(folder.path, "conveyor.db"));
  const version = () => Number(sqlite.prepare("PRAGMA user_version").get()?.["user_version"]);
  const newest = version();
  // Undoes the last migration.
  sqlite.exec(`ALTER TABLE artifacts DROP COLUMN mtime; PRAGMA user_version = ${newest - 1}`);
  const refused = (error: unknown) =>
    error instanceof UnavailableError &&
    /a process of an older release is working with it/.test(error.message);
  await assert.rejects(openHistory(folder.path), refused);
  await assert.rejects(openEmbedded({ folder: folder.path, scope: "other" }), refused);
  assert.equal(version(), newest - 1);
  await older[Symbol.asyncDispose]();
  await using _ = await openHistory(folder.path);
  assert.equal(version(), newest);
});
