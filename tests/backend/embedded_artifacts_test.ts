import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ArtifactTable } from "../../lib/backend/embedded/artifacts.ts";
import { connect } from "../../lib/backend/embedded/database.ts";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { Lifetime } from "../../lib/backend/embedded/lifetime.ts";
import { migrate } from "../../lib/backend/embedded/schema.ts";
import { InputError } from "../../lib/base/errors.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { OTHER_RUN, publishBatch, RUN, runOf } from "./store-conformance/opened.ts";
import { bytes } from "./transport-conformance/opened.ts";

test("putBlob stores no entry without a file if its run is removed in between", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "conveyor.db");
  await using database = await connect(file, () => 0);
  migrate(database, file, () => false);
  const [whole, partial] = [join(folder.path, "whole"), join(folder.path, "partial")];
  await mkdir(join(partial, "up"), { recursive: true });
  const table = new ArtifactTable(database, { whole, partial });
  const reader = table.reader(new Lifetime("The store"));
  const put = (name: string) =>
    table.put("up", RUN, name, bytes(name), { signal: new AbortController().signal });
  await put("first");

  const writeSoon = database.writeSoon.bind(database);
  const removesFirst = async <T>(work: () => T): Promise<T> => {
    await table.remove(RUN);
    return await writeSoon(work);
  };
  Object.assign(database, { writeSoon: removesFirst });
  await assert.rejects(put("second"), (error: Error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, /"second".* was removed meanwhile$/);
    return true;
  });
  assert.deepEqual([await reader.list(RUN), await readdir(whole)], [[], []]);

  Object.assign(database, { writeSoon });
  await put("third");
  assert.deepEqual((await reader.list(RUN)).map(({ name }) => name), ["third"]);
  assert.deepEqual(await readdir(join(partial, "up")), []);
});

test("removeOrphans removes what was stored of a run after its removal, and nothing of others", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport, removeOrphans, stored } = embedded;
  const { signal } = new AbortController();
  for (const run of [RUN, OTHER_RUN]) {
    await store.runs.put(run, runOf(run, { outcome: "failed", endedAt: 1 }), 0);
    await transport.putBlob(run, "first", bytes("one"));
    await publishBatch(transport, ["a line"], { run });
  }
  assert.equal(await removeOrphans({ signal }), 0);
  const { logBytes } = await stored();
  await store.removeRun(RUN);
  await transport.putBlob(RUN, "late", bytes("two"));
  await publishBatch(transport, ["a late line"], { run: RUN });
  await mkdir(join(folder.path, "artifacts", "0fbab31f-0000-4000-8000-ac49b007ca65"));
  await mkdir(join(folder.path, "artifacts", "of-others"));

  assert.equal(await removeOrphans({ signal }), 2);
  assert.deepEqual([await store.artifacts.list(RUN), await store.logs.count(RUN)], [[], 0]);
  assert.equal((await store.artifacts.list(OTHER_RUN)).length, 1);
  assert.equal(await store.logs.count(OTHER_RUN), 1);
  assert.deepEqual((await readdir(join(folder.path, "artifacts"))).sort(), [OTHER_RUN, "of-others"].sort());
  assert.equal((await stored()).logBytes * 2, logBytes);
});

test("removeOrphans leaves what a run has whose record cannot be read", async () => {
  await using folder = await temporaryFolder();
  const { signal } = new AbortController();
  {
    await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
    await embedded.store.runs.put(RUN, runOf(RUN, { outcome: "failed", endedAt: 1 }), 0);
    await embedded.transport.putBlob(RUN, "first", bytes("one"));
  }
  {
    await using database = await connect(join(folder.path, "conveyor.db"), () => 0);
    database.run(() => database.prepare("UPDATE runs SET value = '{'").run());
  }
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  assert.equal(await embedded.store.runs.get(RUN), undefined);
  assert.equal(await embedded.removeOrphans({ signal }), 0);
  assert.equal((await embedded.store.artifacts.list(RUN)).length, 1);
});

test("removeOrphans removes the others where one cannot be removed, and says so once", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport, removeOrphans } = embedded;
  for (const run of [RUN, OTHER_RUN]) {
    await transport.putBlob(run, "late", bytes("one"));
    await publishBatch(transport, ["a late line"], { run });
  }
  const [stuck = "", other = ""] = [RUN, OTHER_RUN].sort();
  using database = new DatabaseSync(join(folder.path, "conveyor.db"));
  database.exec(
    `CREATE TRIGGER stuck BEFORE DELETE ON artifacts WHEN OLD.run = '${stuck}'
     BEGIN SELECT RAISE(ABORT, 'it is stuck'); END`,
  );
  const { signal } = new AbortController();
  assert.equal(await removeOrphans({ signal }), 1);
  assert.deepEqual([await store.artifacts.list(other), await store.logs.count(other)], [[], 0]);
  await log.line(new RegExp(`^warning: Cannot remove what is left of removed run ${stuck}: it is stuck$`));
  assert.equal(log.lines.filter((line) => line.includes("Cannot remove")).length, 1);
  database.exec("DROP TRIGGER stuck");
  assert.equal(await removeOrphans({ signal }), 1);
  assert.deepEqual(await store.artifacts.list(stuck), []);
});

test("removeOrphans leaves the artifacts of a run that is created while it removes an orphan with this id", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport, removeOrphans } = embedded;
  await store.runs.put(OTHER_RUN, runOf(OTHER_RUN), 0);
  await transport.putBlob(RUN, "app", bytes("one"));
  await publishBatch(transport, ["a late line"], { run: RUN });
  using database = new DatabaseSync(join(folder.path, "conveyor.db"));
  // Another process creates the run, just when its log is removed.
  database.exec(
    `CREATE TRIGGER created AFTER DELETE ON logs WHEN OLD.run = '${RUN}' BEGIN
       INSERT INTO runs (id, revision, outcome, created_at, ended_at, reason, name, type, pipeline, value)
       SELECT '${RUN}', revision, outcome, created_at, ended_at, reason, name, type, pipeline, value FROM runs;
     END`,
  );
  const { signal } = new AbortController();
  assert.equal(await removeOrphans({ signal }), 0);
  assert.deepEqual((await store.artifacts.list(RUN)).map(({ name }) => name), ["app"]);
});
