import assert from "node:assert/strict";
import { AckPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { ensureConsumer } from "../../lib/backend/nats/consumers.ts";
import { InputError } from "../../lib/base/errors.ts";
import { broker } from "./nats-broker.ts";
import { pull, spec, text } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

test("a delivery says when its message was stored", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(spec("a", ["resources.t"], 45_000));
  await transport.publish("resources.t", "it");
  await using puller = pull(transport, spec("a", ["resources.t"], 45_000));
  const { storedAt } = await puller.next();
  const stored = await nats.manager.streams.getMessage("messages", { seq: 1 });
  assert.equal(storedAt, stored?.time.getTime());
});

test("ensureConsumer makes a consumer durable that a Go driver made first, and leaves its messages", async () => {
  await using nats = await broker();
  await nats.manager.consumers.add("messages", {
    name: "a",
    ack_policy: AckPolicy.Explicit,
    filter_subjects: ["resources.t", "drivers.a.resources.t"],
    max_ack_pending: 1,
  });
  const transport = await nats.open();
  await transport.publish("resources.t", "before");
  await transport.ensureConsumer(spec("a", ["resources.t", "drivers.a.hosts.h.resources.t"], 45_000));
  const { config } = await nats.manager.consumers.info("messages", "a");
  assert.equal(config.durable_name, "a");
  // As long as a driver may be away before it counts as removed, and what is kept for it goes.
  assert.equal(config.inactive_threshold, 30 * 86_400e9);
  assert.equal(config.max_ack_pending, 10_000);
  assert.equal(config.max_deliver, -1);
  assert.equal(config.ack_wait, 45e9);
  assert.deepEqual(config.filter_subjects?.toSorted(), [
    "drivers.a.hosts.h.resources.t",
    "drivers.a.resources.t",
    "resources.t",
  ]);
  await using puller = pull(transport, spec("a", ["resources.t"]));
  assert.equal(text(await puller.take()), "before");
});

test("a consumer that we make is what the protocol says", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(
    spec("git-cloner", ["resources.t", "drivers.git-cloner.resources.t"], 30_000),
  );
  const { config } = await nats.manager.consumers.info("messages", "git-cloner");
  const { durable_name, ack_policy, deliver_policy, ack_wait, max_deliver, max_ack_pending, backoff } =
    config;
  assert.deepEqual(
    { durable_name, ack_policy, deliver_policy, ack_wait, max_deliver, max_ack_pending, backoff },
    {
      durable_name: "git-cloner",
      ack_policy: "explicit",
      deliver_policy: "all",
      ack_wait: 30e9,
      max_deliver: -1,
      max_ack_pending: 10_000,
      backoff: undefined,
    },
  );
});

test("ensureConsumer writes again what another instance overwrote in the same moment", async () => {
  await using nats = await broker();
  const { consumers } = nats.manager;
  await ensureConsumer(nats.manager, spec("a", ["resources.t"]));
  let meddled = false;
  const meddling = {
    consumers: {
      info: (stream: string, name: string) => consumers.info(stream, name),
      add: async (stream: string, config: Parameters<typeof consumers.add>[1], intent: object) => {
        const info = await consumers.add(stream, config, intent);
        if (!meddled) {
          await consumers.update("messages", "a", { filter_subjects: ["resources.t", "resources.other"] });
        }
        meddled = true;
        return info;
      },
    },
  };
  await ensureConsumer(meddling as JetStreamManager, spec("a", ["resources.ours"], 70_000));
  const { config } = await consumers.info("messages", "a");
  assert.equal(meddled, true);
  assert.equal(config.ack_wait, 70e9);
  assert.deepEqual(config.filter_subjects?.toSorted(), ["resources.other", "resources.ours", "resources.t"]);
});

test("ensureConsumer called by many instances at once makes one consumer for all", async () => {
  await using nats = await broker();
  const transports = await Promise.all([nats.open(), nats.open(), nats.open()]);
  await Promise.all(
    Array.from({ length: 12 }, (_, i) => transports[i % 3]?.ensureConsumer(spec("a", ["resources.t"]))),
  );
  assert.equal((await nats.manager.streams.info("messages")).state.consumer_count, 1);
});

test("ensureConsumer adds a filter that overlaps one the consumer has, or refuses where the broker cannot have both", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(spec("a", ["drivers.*.resources.t"]));
  const second = transport.ensureConsumer(spec("a", ["drivers.a.resources.*"]));
  const has = async () => {
    const { filter_subjects, filter_subject } = (await nats.manager.consumers.info("messages", "a")).config;
    return filter_subjects ?? [filter_subject];
  };
  await second.then(
    async () =>
      assert.deepEqual((await has()).toSorted(), ["drivers.*.resources.t", "drivers.a.resources.*"]),
    async (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.deepEqual(await has(), ["drivers.*.resources.t"]);
    },
  );
});
