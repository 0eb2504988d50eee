import assert from "node:assert/strict";
import { RetentionPolicy } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { broker } from "./nats-broker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

test("ensureStreams makes the three streams with an owner and a schema version", async () => {
  await using nats = await broker({ streams: false });
  const { owner } = await ensureStreams(nats.connection, {
    newOwner: () => "installation-1",
    keepLogsMs: 86_400_000,
  });
  assert.equal(owner, "installation-1");
  const facts = await Promise.all(
    ["messages", "pipeline-engine", "logs-engine"].map(async (name) => {
      const { config } = await nats.manager.streams.info(name);
      const { subjects, retention, storage, max_age, duplicate_window, metadata } = config;
      return [
        subjects,
        retention,
        storage,
        max_age / 1e9,
        duplicate_window / 1e9,
        metadata?.["conveyor.owner"],
        metadata?.["conveyor.schema"],
      ];
    }),
  );
  assert.deepEqual(facts, [
    [["resources.>", "events.>", "drivers.>"], "interest", "file", 0, 120, "installation-1", "1"],
    [["pipelines.>"], "workqueue", "file", 0, 120, "installation-1", "1"],
    [["logs.>"], "limits", "file", 86_400, 120, "installation-1", "1"],
  ]);
});

test("ensureStreams called by several replicas at once makes one installation, and keeps it", async () => {
  await using nats = await broker({ streams: false });
  const connections = await Promise.all([1, 2, 3].map(() => connectNats({ servers: [nats.server.url] })));
  const owners = await Promise.all(connections.map((connection) => ensureStreams(connection)));
  assert.equal(new Set(owners.map(({ owner }) => owner)).size, 1);
  assert.deepEqual(await ensureStreams(nats.connection), owners[0]);
  for (const name of ["messages", "pipeline-engine", "logs-engine"]) {
    const { config } = await nats.manager.streams.info(name);
    assert.equal(config.metadata?.["conveyor.owner"], owners[0]?.owner);
  }
  await Promise.all(connections.map((connection) => connection.close()));
});

test("ensureStreams brings a stream of ours up to date and leaves its messages", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.publish("logs.run", "kept");
  const before = await ensureStreams(nats.connection);
  assert.deepEqual(await ensureStreams(nats.connection, { keepLogsMs: 1000_000 }), before);
  const { config, state } = await nats.manager.streams.info("logs-engine");
  assert.equal(config.max_age, 1000e9);
  assert.equal(config.metadata?.["conveyor.owner"], before.owner);
  assert.equal(state.messages, 1);
});

test("ensureStreams refuses a broker whose streams a Conveyor server owns, and touches nothing", async () => {
  await using nats = await broker({ streams: false });
  await nats.manager.streams.add({
    name: "logs-engine",
    subjects: ["logs.>"],
    retention: RetentionPolicy.Workqueue,
  });
  await nats.manager.streams.add({
    name: "messages",
    subjects: ["resources.>", "events.>", "drivers.>"],
    retention: RetentionPolicy.Interest,
  });
  await assert.rejects(ensureStreams(nats.connection), {
    name: "UnavailableError",
    message: 'Stream "messages" of this broker belongs to somebody else: expected none, or one of ours',
  });
  await nats.manager.streams.delete("messages");
  await assert.rejects(ensureStreams(nats.connection), {
    name: "UnavailableError",
    message: /^Stream "logs-engine" of this broker/,
  });
  const { config } = await nats.manager.streams.info("logs-engine");
  assert.equal(config.retention, "workqueue");
  const names: string[] = [];
  for await (const name of nats.manager.streams.names()) names.push(name);
  assert.deepEqual(names, ["logs-engine"]);
});

test("ensureStreams refuses streams that a newer version has made", async () => {
  await using nats = await broker();
  const { config } = await nats.manager.streams.info("messages");
  await nats.manager.streams.update("messages", {
    ...config,
    metadata: { ...config.metadata, "conveyor.schema": "2" },
  });
  await assert.rejects(ensureStreams(nats.connection), {
    name: "UnavailableError",
    message: 'Stream "messages" has schema 2: expected 1 at most',
  });
});

test("ensureStreams refuses a stream of another name that takes our subjects", async () => {
  await using nats = await broker({ streams: false });
  await nats.manager.streams.add({ name: "theirs", subjects: ["drivers.>"] });
  await assert.rejects(ensureStreams(nats.connection), {
    name: "UnavailableError",
    message: /another stream takes their subjects/,
  });
});
