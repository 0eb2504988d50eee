import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../lib/backend/embedded/database.ts";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { WriteQueue } from "../../lib/backend/embedded/write-queue.ts";
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
  const transaction = <T>(work: () => T): T => {
    const before = done.length;
    try {
      const result = work();
      transactions.push(done.slice(before));
      return result;
    } catch (error) {
      done.length = before;
      throw error;
    }
  };
  const write = (name: string) => () => {
    done.push(name);
    if (name.startsWith("bad")) throw new Error(name);
    return name;
  };
  return { queue: new WriteQueue(transaction), transactions, write };
}

test("writes that arrive together share one transaction, in their order", async () => {
  const { queue, transactions, write } = journal();
  const results = await Promise.all(["a", "b", "c"].map((name) => queue.write(write(name))));
  assert.deepEqual(results, ["a", "b", "c"]);
  assert.deepEqual(transactions, [["a", "b", "c"]]);
  assert.equal(await queue.write(write("d")), "d");
  assert.deepEqual(transactions, [["a", "b", "c"], ["d"]]);
});

test("a write that fails is refused alone: the others are done all the same, each once", async () => {
  const { queue, transactions, write } = journal();
  const results = await Promise.allSettled(["a", "bad", "c"].map((name) => queue.write(write(name))));
  assert.deepEqual(results.map((one) => one.status === "fulfilled" ? one.value : one.reason.message), [
    "a",
    "bad",
    "c",
  ]);
  assert.deepEqual(transactions, [["a"], ["c"]]);
});

test("many writes are divided, so that no transaction keeps others waiting for long", async () => {
  const { queue, transactions, write } = journal();
  await Promise.all(Array.from({ length: 150 }, (_, i) => queue.write(write(`${i}`))));
  assert.deepEqual(transactions.map(({ length }) => length), [64, 64, 22]);
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
  using database = await connect(path, () => 0, { logBytes: MIB });
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
