import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import type { CheckpointOptions } from "../../lib/backend/embedded/checkpoints.ts";
import { connect } from "../../lib/backend/embedded/database.ts";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { type Part, WriteQueue } from "../../lib/backend/embedded/write-queue.ts";
import { ConflictError, resourceKey } from "../../lib/backend/store.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { RUN, submission } from "../engine/support/runs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

/** A journal instead of a database: what is undone leaves it. */
function journal() {
  const done: string[] = [];
  const transactions: string[][] = [];
  const undoing = <T>(work: () => T): T => {
    const before = done.length;
    try {
      return work();
    } catch (error) {
      done.length = before;
      throw error;
    }
  };
  const transaction = <T>(work: () => T): T =>
    undoing(() => {
      const before = done.length;
      const result = work();
      transactions.push(done.slice(before));
      return result;
    });
  const part = (work: () => unknown): Part => {
    try {
      return { result: undoing(work) };
    } catch (error) {
      return { error, isFull: error instanceof Error && error.message.startsWith("bad: full") };
    }
  };
  const write = (name: string) => () => {
    done.push(name);
    if (name.startsWith("bad")) throw new Error(name);
    return name;
  };
  return { queue: new WriteQueue({ transaction, part }), transactions, write };
}

/** What has become of writes: their results, and the messages of errors. */
const settled = async (writes: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(writes)).map((one) =>
    one.status === "fulfilled" ? one.value : one.reason.message
  );

test("writes that arrive together share one transaction, in their order", async () => {
  const { queue, transactions, write } = journal();
  const results = await Promise.all(["a", "b", "c"].map((name) => queue.write(write(name))));
  assert.deepEqual(results, ["a", "b", "c"]);
  assert.deepEqual(transactions, [["a", "b", "c"]]);
  assert.equal(await queue.write(write("d")), "d");
  assert.deepEqual(transactions, [["a", "b", "c"], ["d"]]);
});

test("a write that fails is refused alone: the others are done with one commit, each once", async () => {
  const { queue, transactions, write } = journal();
  assert.deepEqual(await settled(["a", "bad", "c"].map((name) => queue.write(write(name)))), [
    "a",
    "bad",
    "c",
  ]);
  assert.deepEqual(transactions, [["a", "c"]]);
});

test("a write that lacks space is run again alone, where it can be given room", async () => {
  const { queue, transactions, write } = journal();
  let tries = 0;
  const large = () => write(tries++ === 0 ? "bad: full" : "large")();
  assert.deepEqual(await settled([queue.write(write("a")), queue.write(large)]), ["a", "large"]);
  assert.deepEqual(transactions, [["a"], ["large"]]);
});

test("many writes are divided, so that no transaction keeps others waiting for long", async () => {
  const { queue, transactions, write } = journal();
  await Promise.all(Array.from({ length: 150 }, (_, i) => queue.write(write(`${i}`))));
  assert.deepEqual(transactions.map(({ length }) => length), [64, 64, 22]);
});

test("between two transactions of many writes, other work of the process has its turn", async () => {
  const { queue, transactions, write } = journal();
  const writes = Promise.all(Array.from({ length: 150 }, (_, i) => queue.write(write(`${i}`))));
  const seen: number[] = [];
  while (transactions.length < 3) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(transactions.length);
  }
  await writes;
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a transaction that fails as a whole refuses its writes, and is not tried again for each of them", async () => {
  let begun = 0;
  const transaction = (): never => {
    begun++;
    throw new Error("locked");
  };
  const queue = new WriteQueue({ transaction, part: (work) => ({ result: work() }) });
  assert.deepEqual(await settled([queue.write(() => 1), queue.write(() => 2)]), ["locked", "locked"]);
  assert.equal(begun, 1);
});

test("a flush does all that waits at once", () => {
  const { queue, transactions, write } = journal();
  for (let i = 0; i < 150; i++) void queue.write(write(`${i}`));
  queue.flush();
  assert.deepEqual(transactions.map(({ length }) => length), [64, 64, 22]);
});

/** A database with one table, whose log is looked at from 64 KiB on. */
async function things(folder: string, options: CheckpointOptions = {}) {
  const path = join(folder, "some.db");
  const database = await connect(path, () => 0, { logBytes: 64 * 1024, ...options });
  database.exec("CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL)");
  const insert = database.prepare("INSERT INTO things (text) VALUES (?)");
  const texts = database.prepare("SELECT text FROM things ORDER BY id");
  return {
    path,
    database,
    add: (text: string) => database.writeSoon(() => void insert.run(text)),
    texts: () => texts.all().map(({ text }) => text),
  };
}

test("a write is done once although the log cannot be looked at after its commit", async () => {
  await using folder = await temporaryFolder();
  let looks = 0;
  const freeOn = () => {
    looks++;
    throw new Error("statfs: input/output error");
  };
  const { database, add, texts } = await things(folder.path, { freeOn });
  await using _ = database;
  const expected = Array.from({ length: 64 }, (_, i) => `${i}`.padEnd(4000, "x"));
  for (let i = 0; i < expected.length; i += 2) await Promise.all(expected.slice(i, i + 2).map(add));
  assert.ok(looks > 0, "the log was looked at");
  assert.deepEqual(texts(), expected);
});

test("a refused write of a database undoes itself alone, also where it had written before", async () => {
  await using folder = await temporaryFolder();
  const { database, add, texts } = await things(folder.path);
  await using _ = database;
  const insert = database.prepare("INSERT INTO things (text) VALUES (?)");
  const half = database.writeSoon(() => {
    insert.run("half");
    throw new ConflictError("no");
  });
  assert.deepEqual(await settled([add("a"), half, add("a"), add("b")]), [
    undefined,
    "no",
    "UNIQUE constraint failed: things.text",
    undefined,
  ]);
  assert.deepEqual(texts(), ["a", "b"]);
});

test("writes are refused together, after one wait, if another process holds the write lock", async () => {
  await using folder = await temporaryFolder();
  const { database, path, add, texts } = await things(folder.path);
  await using _ = database;
  using other = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 1");
  other.exec("BEGIN IMMEDIATE");
  let runs = 0;
  const count = () => database.writeSoon(() => runs++);
  const refused = "Cannot write to the data folder: another process does not let go of the database";
  assert.deepEqual(await settled([add("a"), count()]), [refused, refused]);
  assert.equal(runs, 0);
  other.exec("COMMIT");
  await add("b");
  assert.deepEqual(texts(), ["b"]);
});

test("a data folder that is closed has done what was waiting", async () => {
  await using folder = await temporaryFolder();
  const embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const written = embedded.store.notes.put("a", 1, 0);
  await embedded[Symbol.asyncDispose]();
  await written;
  await using again = await openEmbedded({ folder: folder.path, scope: "up" });
  assert.equal((await again.store.notes.get("a"))?.value, 1);
});

test("a run, its resource and its message are stored together, or none of them", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport, store, publishRun } = embedded;
  const run = newRun(RUN, submission("a"), 1);
  const subject = subjects.step("a", run.resource.resource);
  const spec = { stream: "messages", name: "a", filters: [subject], ackWaitMs: 1000 } as const;
  await transport.ensureConsumer(spec);
  const key = resourceKey(run.resource.resource, "app");
  const change = (revision: number) => ({
    run,
    revision: 0,
    changes: {
      resources: [{ key, value: { resource: run.resource, run: RUN }, revision }],
      versions: [],
    },
    message: { id: "event", subject, headers: {}, data: "x" },
  });
  await assert.rejects(publishRun(change(7)), ConflictError);
  const stored = async () => [
    await store.runs.get(RUN) !== undefined,
    await store.resources.get(key) !== undefined,
    await transport.holds("messages", "event"),
  ];
  assert.deepEqual(await stored(), [false, false, false]);
  const revision = await publishRun(change(0));
  assert.deepEqual(await stored(), [true, true, true]);
  assert.equal((await store.runs.get(RUN))?.revision, revision);
  const ending = new AbortController();
  for await (const delivery of transport.consume(spec, { signal: ending.signal })) {
    assert.equal(delivery.id, "event");
    await delivery.ack();
    ending.abort();
  }
});

test("a large log is written back by a thread, while this process goes on writing, and then used again", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "some.db");
  const MIB = 1024 * 1024;
  await using database = await connect(path, () => 0, { logBytes: MIB });
  database.exec("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO things (text) VALUES (?)");
  const text = "x".repeat(10_000);
  let count = 0;
  const write = async () => void await database.writeSoon(() => (count++, insert.run(text)));
  const sizeOf = async (file: string) => (await stat(file)).size;
  const isCopied = async () => await sizeOf(path) > MIB / 4;
  // Before the log has twice its size, only the thread copies it.
  while (await sizeOf(`${path}-wal`) < MIB && !await isCopied()) await write();
  for (let i = 0; i < 16; i++) await write();
  await until(isCopied, "the thread has written back what is in the log");
  while (count < 3000) await write();
  const isUsedAgain = async () => {
    await write();
    return await sizeOf(`${path}-wal`) < MIB;
  };
  await until(isUsedAgain, "the log is used again");
  assert.equal(database.prepare("SELECT count(*) AS n FROM things").get()?.["n"], count);
});

test("a write has no files but those in the data folder, however much it changes", async () => {
  await using folder = await temporaryFolder();
  await using database = await connect(join(folder.path, "conveyor.db"), () => 0);
  database.exec("CREATE TABLE large (id INTEGER PRIMARY KEY, text TEXT)");
  const change = database.prepare("INSERT OR REPLACE INTO large VALUES (?, ?)");
  const changeAll = (letter: string) => {
    for (let id = 0; id < 500; id++) change.run(id, letter.repeat(4000));
  };
  changeAll("a");
  // Files of SQLite's elsewhere: a process that is killed between making and unlinking one leaves it.
  const elsewhere = () =>
    readdirSync("/proc/self/fd").flatMap((fd) => {
      const path = linkIfThere(`/proc/self/fd/${fd}`);
      return path?.includes("etilqs") ? [path] : [];
    });
  const seen = await Promise.all(["b", "c"].map((letter) =>
    database.writeSoon(() => {
      changeAll(letter);
      return elsewhere();
    })
  ));
  assert.deepEqual(seen, [[], []]);
});

/** The target of a link; undefined if it is gone, as that of the folder's own reading is. */
function linkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
