import assert from "node:assert/strict";
import { Retryable } from "../../lib/base/errors.ts";
import { captureLog } from "../support/process-log.ts";
import { broker } from "./nats-broker.ts";
import { pull, spec } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const A = spec("a", ["resources.t"]);

test("term keeps a copy of the message in the stream dead, with its reason", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(A);
  await transport.publish("resources.t", "nonsense", { id: "run/1", headers: { "Conveyor-Step": "s" } });
  await using puller = pull(transport, A);
  await (await puller.next()).term("Cannot parse:\r\n it is nonsense");
  const copy = await nats.manager.streams.getMessage("dead", { seq: 1 });
  assert.ok(copy);
  assert.equal(copy.subject, "dead.messages.resources.t");
  assert.equal(copy.string(), "nonsense");
  assert.equal(copy.header.get("Conveyor-Dead-Reason"), "Cannot parse: it is nonsense");
  assert.equal(copy.header.get("Conveyor-Dead-Consumer"), "a");
  assert.equal(copy.header.get("Conveyor-Dead-Id"), "run/1");
  assert.equal(copy.header.get("Conveyor-Step"), "s");
  assert.equal(await transport.holds("messages", "run/1"), false);
});

test("term copies a message once for each consumer, however often it is termed", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  assert.equal(await transport.deadLetters(), 0);
  await transport.publish("logs.run", "nonsense");
  for (const name of ["first", "second", "first"]) {
    const reader = { stream: "logs-engine", name, filters: ["logs.run"], ackWaitMs: 60_000 } as const;
    await using puller = pull(transport, reader);
    await (await puller.next()).term("Cannot parse");
    await nats.manager.consumers.delete("logs-engine", name);
  }
  assert.equal(await transport.deadLetters(), 2);
});

test("term goes on where the copy is refused, and says so", async () => {
  await using log = await captureLog();
  await using nats = await broker();
  const transport = await nats.open();
  await nats.manager.streams.delete("dead");
  await nats.manager.streams.add({ name: "dead", subjects: ["dead.>"], max_msg_size: 1 });
  await transport.ensureConsumer(A);
  await transport.publish("resources.t", "nonsense", { id: "run/1" });
  await using puller = pull(transport, A);
  await (await puller.next()).term("Cannot parse");
  assert.equal(await transport.holds("messages", "run/1"), false);
  await log.line(/Cannot keep a copy of message 1 of stream messages/);
});

test("term copies the beginning of a message of the largest size", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(A);
  await transport.publish("resources.t", new Uint8Array(1024 * 1024).fill(7));
  await using puller = pull(transport, A);
  await (await puller.next()).term("Too large to be true");
  const copy = await nats.manager.streams.getMessage("dead", { seq: 1 });
  assert.ok(copy && copy.data.length > 1_000_000 && copy.data.every((byte) => byte === 7));
  assert.equal((await nats.manager.streams.info("messages")).state.messages, 0);
});

test("publish and putBlob say disk-full where the broker has no room", async () => {
  await using nats = await broker({ maxFile: "40M" });
  const transport = await nats.open();
  const full = (error: unknown) => error instanceof Retryable && error.reason === "disk-full";
  const fill = async () => {
    for (;;) await transport.publish("logs.run", new Uint8Array(500_000));
  };
  await assert.rejects(fill(), full);
  const bytes = async function* () {
    await Promise.resolve();
    for (let i = 0; i < 100; i++) yield new Uint8Array(500_000);
  };
  await assert.rejects(transport.putBlob("run", "large", bytes()), full);
});
