import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import type { Run } from "../../lib/wire/run.ts";
import { submission } from "../engine/support/runs.ts";
import { scriptedDriver } from "../engine/support/scripted-driver.ts";
import { endOf } from "../engine/support/world.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { publishBatch, RUN } from "./store-conformance/opened.ts";
import { pull, spec, text } from "./transport-conformance/opened.ts";

const IDS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
const BROKEN = IDS[1] ?? "";
const OPTIONS = { scope: "up" } as const;

const open = (folder: string) => openEmbedded({ folder, ...OPTIONS });

/** A run's record with `filler` in it, so that it lies on pages of its own. */
function record(id: string, filler = ""): Run {
  const run = newRun(id, submission("a"), 1_700_000_000_000);
  return { ...run, resource: { ...run.resource, spec: { filler } } };
}

/** Changes the database as somebody else would. */
function change(folder: string, sql: string, ...values: (string | number)[]): void {
  using database = new DatabaseSync(join(folder, "conveyor.db"));
  database.prepare(sql).run(...values);
}

/** Overwrites the pages of the database's file that have `marker` in them, and `others` not. */
function damage(folder: string, marker: string, others?: string): void {
  const path = join(folder, "conveyor.db");
  {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const bytes = readFileSync(path);
  const pages = new Set<number>();
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) {
    const page = Math.floor(at / 4096);
    const isOthers = others !== undefined && bytes.subarray(page * 4096, (page + 1) * 4096).includes(others);
    if (!isOthers) pages.add(page);
  }
  assert.ok(pages.size > 0, "the marker is in the file");
  const file = openSync(path, "r+");
  for (const page of pages) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
  closeSync(file);
}

const asides = (folder: string) => {
  using database = new DatabaseSync(join(folder, "conveyor.db"));
  return database.prepare("SELECT kind, key, value FROM set_aside").all().map((row) => ({ ...row }));
};

for (
  const [what, value] of [
    ["cut off", '{"schema":1,"id":"000'],
    ["no record", '{"hello":"world"}'],
    ["null", "null"],
    ["that of another run", JSON.stringify(record(IDS[0] ?? ""))],
  ] as const
) {
  test(`a run's record that is ${what} is named, set aside and kept, and the others go on`, async () => {
    await using folder = await temporaryFolder();
    await using log = await captureLog();
    {
      await using embedded = await open(folder.path);
      for (const id of IDS) await embedded.store.runs.put(id, record(id), 0);
    }
    change(folder.path, "UPDATE runs SET value = ? WHERE id = ?", value, BROKEN);
    await using embedded = await open(folder.path);
    const { store, transport, sealKey } = embedded;
    await using engine = await startEngine({ transport, store, sealKey, adopt: true });
    await using _driver = await scriptedDriver(transport, "a", () => ({ success: true, message: "fine" }));
    assert.equal(await store.runs.get(BROKEN), undefined);
    for (const id of IDS.filter((id) => id !== BROKEN)) {
      await engine.stop(id, { outcome: "cancelled", reason: "cancelled", message: "no" });
      assert.equal((await endOf(engine, id)).outcome, "cancelled");
    }
    assert.deepEqual(asides(folder.path), [{ kind: "run", key: BROKEN, value }]);
    assert.match(log.lines.join("\n"), new RegExp(`Set aside run ${BROKEN}, which cannot be read`));
    assert.deepEqual((await store.runs.list()).map(({ id }) => id), [IDS[2], IDS[0]]);
  });
}

test("a run whose record lies on a damaged page is named and passed over, also after a restart, and the others go on", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  {
    await using embedded = await open(folder.path);
    for (const id of IDS) {
      await embedded.store.runs.put(id, record(id, `${id}-filler `.repeat(4000)), 0);
    }
  }
  damage(folder.path, `${BROKEN}-filler ${BROKEN}-filler`, `"schema"`);
  for (let starts = 0; starts < 2; starts++) {
    await using embedded = await open(folder.path);
    const { store, transport, sealKey } = embedded;
    await using engine = await startEngine({ transport, store, sealKey, adopt: true });
    assert.equal(await store.runs.get(BROKEN), undefined);
    const listed = (await store.runs.list()).map(({ id }) => id);
    assert.deepEqual(IDS.filter((id) => listed.includes(id)), [IDS[0], IDS[2]]);
    assert.equal((await store.runs.open()).includes(BROKEN), false);
    await using _driver = await scriptedDriver(transport, "a", () => ({ success: true, message: "fine" }));
    assert.equal((await endOf(engine, await engine.submit(submission("a")))).outcome, "succeeded");
  }
  assert.equal(asides(folder.path).filter(({ key }) => key === BROKEN).length, 1);
  assert.equal(log.lines.join("\n").split(`Set aside run ${BROKEN}`).length, 2);
});

test("a value of a table that cannot be read is set aside, and can be written anew", async () => {
  await using folder = await temporaryFolder();
  await using _log = await captureLog();
  {
    await using embedded = await open(folder.path);
    for (const key of ["a", "b", "c"]) await embedded.store.notes.put(key, { key }, 0);
  }
  change(folder.path, "UPDATE items SET value = ? WHERE key = ?", "{", "b");
  await using embedded = await open(folder.path);
  const { notes } = embedded.store;
  assert.deepEqual((await notes.list({ limit: 2 })).map(({ key }) => key), ["a", "c"]);
  assert.equal(await notes.get("b"), undefined);
  await notes.put("b", { key: "anew" }, 0);
  assert.deepEqual((await notes.get("b"))?.value, { key: "anew" });
  assert.deepEqual(asides(folder.path), [{ kind: "note", key: "b", value: "{" }]);
});

test("a message that cannot be read is set aside and held by nobody, and those after it come", async () => {
  await using folder = await temporaryFolder();
  await using _log = await captureLog();
  const consumer = spec("a", ["resources.t"]);
  {
    await using embedded = await open(folder.path);
    await embedded.transport.ensureConsumer(consumer);
    for (const data of ["1", "2", "3"]) await embedded.transport.publish("resources.t", data, { id: data });
  }
  change(folder.path, "UPDATE messages SET headers = ? WHERE id = ?", "[", "1");
  change(folder.path, "UPDATE messages SET headers = ? WHERE id = ?", "7", "2");
  await using embedded = await open(folder.path);
  await using puller = pull(embedded.transport, consumer);
  assert.equal(text(await puller.take()), "3");
  assert.equal(await embedded.transport.holds("messages", "1"), false);
  assert.equal(asides(folder.path).length, 2);
});

for (const isUnpackable of [true, false]) {
  test(`a log goes on after a batch that ${isUnpackable ? "lies on a damaged page" : "does not unpack"}, and says so`, async () => {
    await using folder = await temporaryFolder();
    await using _log = await captureLog();
    const long = (word: string) =>
      Array.from({ length: 40 }, (_, n) => `${word} ${n} ${crypto.randomUUID()}`.repeat(40));
    {
      await using embedded = await open(folder.path);
      await publishBatch(embedded.transport, ["first"]);
      await publishBatch(embedded.transport, long("second"));
      await publishBatch(embedded.transport, ["third"]);
    }
    if (isUnpackable) {
      change(
        folder.path,
        "UPDATE logs SET packed = 0, data = CAST(? AS BLOB) WHERE first = ?",
        "torn ".repeat(4000),
        2,
      );
      damage(folder.path, "torn torn", RUN);
    } else {
      change(folder.path, "UPDATE logs SET data = substr(data, 1, 200), packed = 1 WHERE first = ?", 2);
    }
    await using embedded = await open(folder.path);
    const read = (after?: string) =>
      Array.fromAsync(embedded.store.logs.read(RUN, { ...after !== undefined && { after } }));
    const batches = await read();
    assert.deepEqual(batches.map(({ firstSeq }) => firstSeq), [1, 2, 42]);
    // Every reader gets the same, wherever it begins.
    for (const i of [0, 1]) assert.deepEqual(await read(batches[i]?.cursor), batches.slice(i + 1));
    const lines = batches.flatMap((batch) => batch.lines);
    const [first, lost = "", third, ...more] = lines.map(({ message }) => message);
    assert.deepEqual([first, third, more], ["first", "third", []]);
    assert.match(lost, /^Cannot read a log batch/);
  });
}

test("a data folder whose database is none is refused by its name, and left as it is", async () => {
  await using folder = await temporaryFolder();
  {
    await using _embedded = await open(folder.path);
  }
  damage(folder.path, "SQLite format 3");
  const before = readFileSync(join(folder.path, "conveyor.db"));
  await assert.rejects(open(folder.path), (error: Error) => {
    assert.equal(error.name, "UnavailableError");
    assert.match(error.message, /Cannot use ".*conveyor\.db"/);
    return true;
  });
  assert.deepEqual(readFileSync(join(folder.path, "conveyor.db")), before);
});

test("an artifact of a database that somebody else has made leads to no file but one of ours", async () => {
  await using folder = await temporaryFolder();
  await using _log = await captureLog();
  {
    await using embedded = await open(folder.path);
    await embedded.transport.putBlob(
      RUN,
      "a",
      (async function* () {
        yield Buffer.from("mine");
      })(),
    );
  }
  writeFileSync(join(folder.path, "theirs"), "secret");
  change(folder.path, "UPDATE artifacts SET file = ?", "../../../theirs");
  await using embedded = await open(folder.path);
  await assert.rejects(embedded.store.artifacts.open(RUN, "a"), /artifact "a" .* has no name of ours/);
  await embedded.transport.putBlob(
    RUN,
    "a",
    (async function* () {
      yield Buffer.from("anew");
    })(),
  );
  assert.equal(readFileSync(join(folder.path, "theirs"), "utf8"), "secret");
  const bytes = await Array.fromAsync(await embedded.store.artifacts.open(RUN, "a") ?? []);
  assert.equal(Buffer.concat(bytes).toString(), "anew");
});
