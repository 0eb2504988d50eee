import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { CHECKPOINT_PROGRAM, type CheckpointThread } from "../../lib/backend/embedded/checkpointer.ts";
import { type CheckpointOptions, Checkpoints } from "../../lib/backend/embedded/checkpoints.ts";
import { RESERVE_BYTES } from "../../lib/backend/embedded/reserve.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { turns, until } from "../support/until.ts";

const LOG_BYTES = 64 * 1024;
const PLENTY = 2 ** 40;

/** A thread that does nothing by itself: the test says what it does. */
function fakeThread() {
  const events = new EventEmitter();
  const seen = { started: 0, asked: 0 };
  const thread: CheckpointThread = {
    on: (event, listener) => events.on(event, listener),
    postMessage: () => void seen.asked++,
    terminate: () => Promise.resolve(),
    unref: () => {},
  };
  const startThread = () => (seen.started++, thread);
  return { seen, startThread, tell: (event: string, value?: unknown) => events.emit(event, value) };
}

/** A real database and what copies its log; `grow` writes some bytes to the log. */
function database(folder: string, options: CheckpointOptions) {
  const path = join(folder, "some.db");
  const sqlite = new DatabaseSync(path);
  sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE things (text TEXT)");
  const insert = sqlite.prepare("INSERT INTO things VALUES (?)");
  const grow = (bytes: number) => void insert.run("x".repeat(bytes));
  const checkpoints = new Checkpoints(sqlite, path, {
    logBytes: LOG_BYTES,
    freeOn: () => PLENTY,
    ...options,
  });
  return {
    path,
    grow,
    checkpoints,
    size: () => statSync(path).size,
    logSize: () => statSync(`${path}-wal`).size,
    [Symbol.asyncDispose]: async () => {
      await checkpoints[Symbol.asyncDispose]();
      sqlite.close();
    },
  };
}

test("the thread makes passes until one finds the log no longer than before, five at most", () => {
  const passes = (logs: number[]) => {
    let count = 0;
    let work = () => {};
    const answers: unknown[] = [];
    const parentPort = {
      on: (_: string, listener: () => void) => work = listener,
      postMessage: (answer: unknown) => answers.push(answer),
    };
    class FakeDatabase {
      exec() {}
      close() {}
      prepare() {
        // SQLite answers with the log's size at the beginning of the pass, and that all of it is copied.
        return { get: () => ({ busy: 0, log: logs[count], checkpointed: logs[count++] }) };
      }
    }
    const modules: Record<string, unknown> = {
      "node:worker_threads": { parentPort, workerData: { path: "some.db", most: 5 } },
      "node:sqlite": { DatabaseSync: FakeDatabase },
    };
    new Function("require", CHECKPOINT_PROGRAM)((name: string) => modules[name]);
    work();
    assert.deepEqual(answers, [true]);
    return count;
  };
  assert.equal(passes([100, 120, 120, 120]), 3);
  assert.equal(passes([100, 100]), 2);
  assert.equal(passes([1, 2, 3, 4, 5, 6, 7]), 5);
});

test("what was written during the thread's last pass is copied when it is done, so that the log is used again", async () => {
  await using folder = await temporaryFolder();
  const { seen, startThread, tell } = fakeThread();
  await using used = database(folder.path, { startThread });
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  assert.equal(seen.asked, 1);
  const before = used.logSize();
  tell("message", true);
  assert.ok(used.size() > LOG_BYTES, "all is in the database");
  used.grow(1);
  assert.equal(used.logSize(), before, "the log is written from its beginning again");
});

test("a thread that could not copy leaves it at that: the process is not kept from its work for it", async () => {
  await using folder = await temporaryFolder();
  const { seen, startThread, tell } = fakeThread();
  await using used = database(folder.path, { startThread });
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  const before = used.size();
  tell("message", false);
  assert.equal(used.size(), before);
  used.grow(LOG_BYTES / 4);
  used.checkpoints.look();
  assert.equal(seen.asked, 2);
  tell("message", false);
});

test("a log whose thread has ended without a word is copied by the process itself", async () => {
  await using folder = await temporaryFolder();
  const { seen, startThread, tell } = fakeThread();
  await using used = database(folder.path, { startThread });
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  tell("exit", 1);
  used.grow(LOG_BYTES / 4);
  used.checkpoints.look();
  assert.equal(seen.asked, 1);
  assert.ok(used.size() > LOG_BYTES);
});

test("a process that has copied the log itself does not do so again before the log has grown", async () => {
  await using folder = await temporaryFolder();
  let looks = 0;
  const freeOn = () => (looks++, PLENTY);
  const startThread = () => {
    throw new Error("no threads here");
  };
  await using used = database(folder.path, { startThread, freeOn });
  using reader = new DatabaseSync(used.path);
  reader.exec("BEGIN; SELECT * FROM things");
  used.grow(2 * LOG_BYTES);
  used.checkpoints.look();
  used.grow(1);
  used.checkpoints.look();
  assert.equal(looks, 1);
});

test("a log is copied at once, not by the thread, if others could take the room for it meanwhile", async () => {
  await using folder = await temporaryFolder();
  const { seen, startThread } = fakeThread();
  await using used = database(folder.path, { startThread, freeOn: () => RESERVE_BYTES + LOG_BYTES });
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  assert.equal(seen.started, 0);
  assert.ok(used.size() > LOG_BYTES);
});

test("a log without room for its copy is left alone", async () => {
  await using folder = await temporaryFolder();
  const { seen, startThread } = fakeThread();
  await using used = database(folder.path, { startThread, freeOn: () => LOG_BYTES / 2 });
  const before = used.size();
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  assert.equal(seen.started, 0);
  assert.equal(used.size(), before);
});

test("a full disk's log is emptied although another checkpoint is running", async () => {
  await using folder = await temporaryFolder();
  await using used = database(folder.path, {});
  used.grow(LOG_BYTES);
  // A checkpoint that waits for a reader keeps all others out.
  const seen = new Int32Array(new SharedArrayBuffer(4));
  const other = new Worker(
    `const { workerData: { path, seen } } = require("node:worker_threads");
     const { DatabaseSync } = require("node:sqlite");
     const [reader, writer] = [new DatabaseSync(path), new DatabaseSync(path)];
     reader.exec("BEGIN; SELECT * FROM things");
     writer.exec("PRAGMA busy_timeout = 100");
     do writer.exec("PRAGMA wal_checkpoint(RESTART)"); while (seen[0] === 0);
     reader.close();
     writer.close();`,
    { eval: true, workerData: { path: used.path, seen } },
  );
  const ended = once(other, "exit");
  using sqlite = new DatabaseSync(used.path);
  const checkpoint = sqlite.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  await until(() => checkpoint.get()?.["busy"] === 1, "another checkpoint is running");
  Atomics.store(seen, 0, 1);
  used.checkpoints.empty(PLENTY);
  assert.equal(used.logSize(), 0);
  await ended;
});

test("the end waits for a checkpoint that is running, which a database that closes could not repeat", async () => {
  await using folder = await temporaryFolder();
  const { startThread, tell } = fakeThread();
  await using used = database(folder.path, { startThread });
  used.grow(LOG_BYTES);
  used.checkpoints.look();
  let isEnded = false;
  const ended = used.checkpoints[Symbol.asyncDispose]().then(() => isEnded = true);
  await turns();
  assert.equal(isEnded, false);
  tell("message", true);
  await ended;
});
