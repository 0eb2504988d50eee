import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { DEDUPE_WINDOW_MS } from "../../lib/backend/transport.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { publishBatch, RUN } from "./store-conformance/opened.ts";
import { pull, spec, text } from "./transport-conformance/opened.ts";

test("publish remembers an id for two minutes, and not longer", async () => {
  await using folder = await temporaryFolder();
  const time = { now: 1_700_000_000_000 };
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up", clock: () => time.now });
  const { transport } = embedded;
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  const publish = (subject: string) => transport.publish(subject, "x", { id: "x" });
  for (const subject of ["resources.t", "resources.unwanted", "pipelines.driver.result", `logs.${RUN}`]) {
    const before = subject === "resources.unwanted";
    assert.deepEqual(await publish(subject), { duplicate: before }, subject);
    assert.deepEqual(await publish(subject), { duplicate: true }, subject);
  }
  time.now += DEDUPE_WINDOW_MS - 1;
  assert.deepEqual(await publish("resources.t"), { duplicate: true });
  time.now += 1;
  for (const subject of ["resources.t", "pipelines.driver.result", `logs.${RUN}`]) {
    assert.deepEqual(await publish(subject), { duplicate: false }, subject);
  }
});

test("publish leaves nothing of messages that are done, once their ids may be forgotten", async () => {
  await using folder = await temporaryFolder();
  const time = { now: 1_700_000_000_000 };
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up", clock: () => time.now });
  const { transport } = embedded;
  using database = new DatabaseSync(join(folder.path, "conveyor.db"));
  const stored = () =>
    database.prepare("SELECT count(*) AS rows, total(length(data)) AS bytes FROM messages").get();
  await using puller = pull(transport, spec("a", ["resources.t"]));
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  for (let i = 0; i < 20; i++) {
    await transport.publish("resources.t", "x".repeat(100), i % 2 === 0 ? { id: `${i}` } : {});
    await puller.take();
  }
  await transport.publish("resources.unwanted", "x".repeat(100));
  assert.deepEqual({ ...stored() }, { rows: 10, bytes: 0 });
  time.now += DEDUPE_WINDOW_MS;
  await transport.publish("resources.t", "last");
  assert.deepEqual({ ...stored() }, { rows: 1, bytes: 4 });
  assert.equal(database.prepare("SELECT count(*) AS rows FROM pending").get()?.["rows"], 1);
});

test("term records the message and the reason, in the database and in the process's log", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport } = embedded;
  await using puller = pull(transport, spec("a", ["resources.t"]));
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  await transport.publish("resources.t", "{", { id: "run/step/1", headers: { "Conveyor-Step": "s" } });
  await (await puller.next()).term("Cannot be understood");
  using database = new DatabaseSync(join(folder.path, "conveyor.db"));
  const rows = database.prepare(
    "SELECT scope, stream, consumer, reason, subject, id, headers, CAST(data AS TEXT) AS data FROM dead_letters",
  ).all();
  assert.deepEqual(rows.map((row) => ({ ...row })), [{
    scope: "up",
    stream: "messages",
    consumer: "a",
    reason: "Cannot be understood",
    subject: "resources.t",
    id: "run/step/1",
    headers: '{"Conveyor-Step":"s"}',
    data: "{",
  }]);
  assert.match(await log.line(/Cannot be understood/), /^warning: .*run\/step\/1/);
});

test("ack that comes after the ack wait counts until the message has been delivered again", async () => {
  await using folder = await temporaryFolder();
  const time = { now: 1_700_000_000_000 };
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up", clock: () => time.now });
  const { transport } = embedded;
  const consumer = spec("a", ["resources.t"], 30_000);
  await using puller = pull(transport, consumer);
  await transport.ensureConsumer(consumer);
  await transport.publish("resources.t", "1", { id: "1" });
  await transport.publish("resources.t", "2", { id: "2" });
  const [first, second] = [await puller.next(), await puller.next()];
  time.now += 30_000;
  await first.ack();
  assert.equal(await transport.holds("messages", "1"), false);
  const again = await puller.next();
  assert.deepEqual([text(again), again.deliveries], ["2", 2]);
  await second.ack();
  await second.term("No longer in hand");
  assert.equal(await transport.holds("messages", "2"), true);
  await again.ack();
  assert.equal(await transport.holds("messages", "2"), false);
});

test("an old delivery does not settle a message that has got its number", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport } = embedded;
  await using puller = pull(transport, spec("a", ["resources.t"]));
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  await transport.publish("resources.t", "1");
  const old = await puller.take();
  await transport.publish("resources.t", "2");
  await puller.next();
  await old.ack();
  await old.nak();
  using database = new DatabaseSync(join(folder.path, "conveyor.db"));
  assert.deepEqual({ ...database.prepare("SELECT deliveries, held FROM pending").get() }, {
    deliveries: 1,
    held: 1,
  });
});

test("what is in hand at dispose comes back after its ack wait, not before", async () => {
  await using folder = await temporaryFolder();
  const time = { now: 1_700_000_000_000 };
  const open = () => openEmbedded({ folder: folder.path, scope: "up", clock: () => time.now });
  const consumer = spec("a", ["resources.t"], 30_000);
  {
    await using embedded = await open();
    const { transport } = embedded;
    await using puller = pull(transport, consumer);
    await transport.ensureConsumer(consumer);
    await transport.publish("resources.t", "in hand");
    await puller.next();
  }
  await using embedded = await open();
  const { transport } = embedded;
  await using puller = pull(transport, consumer);
  await transport.publish("resources.t", "1");
  await transport.publish("resources.t", "2");
  assert.equal(text(await puller.take()), "1");
  time.now += 29_999;
  assert.equal(text(await puller.take()), "2");
  time.now += 1;
  await transport.publish("resources.t", "3");
  const back = await puller.take();
  assert.deepEqual([text(back), back.deliveries], ["in hand", 2]);
});

test("what was put off comes back after a restart also when the machine's clock was set back meanwhile", async () => {
  await using folder = await temporaryFolder();
  const time = { now: 1_700_000_000_000 };
  const open = () => openEmbedded({ folder: folder.path, scope: "up", clock: () => time.now });
  const consumer = spec("a", ["resources.t"], 30_000);
  {
    await using embedded = await open();
    await using puller = pull(embedded.transport, consumer);
    await embedded.transport.ensureConsumer(consumer);
    await embedded.transport.publish("resources.t", "put off");
    const delivery = await puller.next();
    await delivery.nak(15_000);
  }
  time.now -= 3 * 3_600_000;
  await using embedded = await open();
  await using puller = pull(embedded.transport, consumer);
  assert.equal(text(await puller.take()), "put off");
});

test("a consumer of logs goes on where a log was removed, and holds is true until it is done", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport, store } = embedded;
  const consumer = { stream: "logs-engine", name: "reader", filters: ["logs.*"], ackWaitMs: 60_000 } as const;
  await publishBatch(transport, ["removed"]);
  await using puller = pull(transport, consumer);
  await transport.ensureConsumer(consumer);
  await publishBatch(transport, ["removed too"]);
  await publishBatch(transport, ["kept"], { run: "other", id: "kept" });
  await store.removeRun(RUN);
  assert.equal(await transport.holds("logs-engine", "kept"), true);
  assert.match(text(await puller.take()), /"kept"/);
  assert.equal(await transport.holds("logs-engine", "kept"), false);
  assert.equal(await store.logs.count("other"), 1);
});

test("publish stores what the buffer held at the call, although it is filled again before that is stored", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { transport } = embedded;
  const contents = [Buffer.from("small"), Buffer.alloc(9000, "compressible"), randomBytes(9000)];
  for (
    const [stream, subject] of [["messages", "resources.t"], ["logs-engine", `logs.${RUN}`]] as const
  ) {
    const consumer = { stream, name: "reader", filters: [subject], ackWaitMs: 60_000 };
    await transport.ensureConsumer(consumer);
    await using puller = pull(transport, consumer);
    for (const content of contents) {
      const buffer = Buffer.from(content);
      const publishing = transport.publish(subject, buffer);
      buffer.fill(0);
      await publishing;
      assert.ok(content.equals((await puller.take()).data), `${subject} ${content.length}`);
    }
  }
});
