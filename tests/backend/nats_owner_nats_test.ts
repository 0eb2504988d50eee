import assert from "node:assert/strict";
import { RetentionPolicy } from "@nats-io/jetstream";
import { Retryable } from "../../lib/base/errors.ts";
import { STREAMS } from "../../lib/wire/subjects.ts";
import { broker } from "./nats-broker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

test("owner answers nothing before there are streams, then what our control plane wrote into them", async () => {
  await using nats = await broker({ streams: false });
  const transport = await nats.open();
  await assert.rejects(transport.owner(), Retryable);
  await using ours = await broker();
  const { config } = await ours.manager.streams.info("messages");
  const owner = config.metadata?.["conveyor.owner"];
  assert.deepEqual(await (await ours.open()).owner(), { owner, isConveyors: false });
});

test("owner is one random id beside a Conveyor server, however many drivers ask at the same time and later", async () => {
  await using nats = await broker({ streams: false });
  await nats.manager.streams.add({
    name: "messages",
    subjects: [...STREAMS.messages.subjects],
    retention: RetentionPolicy.Interest,
  });
  const transports = await Promise.all(Array.from({ length: 8 }, () => nats.open()));
  const [first, ...others] = await Promise.all(transports.map((transport) => transport.owner()));
  assert.equal(first?.isConveyors, true);
  assert.match(first?.owner ?? "", /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  for (const other of others) assert.deepEqual(other, first);
  assert.deepEqual(await (await nats.open()).owner(), first);
});
