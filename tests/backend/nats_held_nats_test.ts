import assert from "node:assert/strict";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { Held } from "../../lib/backend/nats/held.ts";
import { broker } from "./nats-broker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const STREAM = "pipeline-engine";
const SUBJECT = "pipelines.driver.result";

test("Held finds each stored message though many more were stored than it keeps at hand", async () => {
  await using nats = await broker();
  await using transport = await nats.open();
  for (let n = 1; n <= 25; n++) await transport.publish(SUBJECT, "", { id: `id/${n}` });

  const reader = new Held(nats.manager, STREAM, 4);
  const missed = [];
  for (let n = 1; n <= 25; n++) if (!await reader.has(`id/${n}`)) missed.push(n);
  assert.deepEqual(missed, []);
  assert.equal(await reader.has("id/26"), false);
});

test("Held finds what others stored while its own publishing pushed other ids out", async () => {
  await using nats = await broker();
  await using transport = await nats.open();
  const held = new Held(nats.manager, STREAM, 4);
  await transport.publish(SUBJECT, "", { id: "theirs/1" });
  assert.equal(await held.has("theirs/1"), true);
  await transport.publish(SUBJECT, "", { id: "theirs/2" });
  for (let n = 3; n <= 12; n++) {
    await transport.publish(SUBJECT, "", { id: `ours/${n}` });
    held.learn(`ours/${n}`, n);
  }

  for (const id of ["theirs/1", "theirs/2", "ours/3", "ours/12"]) assert.equal(await held.has(id), true, id);
  await nats.manager.streams.deleteMessage(STREAM, 2);
  assert.equal(await held.has("theirs/2"), false);
  assert.equal(await held.has("theirs/1"), true);
});

test("Held finds a message of a stream that was made anew, however many the one before had", async () => {
  await using nats = await broker();
  await using transport = await nats.open();
  const held = new Held(nats.manager, STREAM);
  for (let n = 1; n <= 3; n++) await transport.publish(SUBJECT, "", { id: `old/${n}` });
  assert.equal(await held.has("old/1"), true);

  await nats.manager.streams.delete(STREAM);
  await ensureStreams(nats.connection);
  for (let n = 1; n <= 5; n++) await transport.publish(SUBJECT, "", { id: `new/${n}` });

  assert.equal(await held.has("new/1"), true);
  assert.equal(await held.has("old/1"), false);
});
