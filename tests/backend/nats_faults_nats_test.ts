import assert from "node:assert/strict";
import { AckPolicy } from "@nats-io/jetstream";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { captureLog } from "../support/process-log.ts";
import { turns } from "../support/until.ts";
import { again, broker, until, waitingPulls } from "./nats-broker.ts";
import { bytes, leased, pull, spec, text, within } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const A = spec("a", ["resources.t"]);

test("consume makes its consumer again when somebody deletes it, with one line in the log", async () => {
  await using log = await captureLog();
  await using nats = await broker();
  const transport = await nats.open();
  await using puller = pull(transport, A);
  const next = puller.take();
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await nats.manager.consumers.delete("messages", "a");
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await transport.publish("resources.t", "after");
  assert.equal(text(await next), "after");
  await log.line(/consumer deleted/);
  assert.deepEqual(log.lines, ["warning: Consumer a of stream messages: consumer deleted; asking again"]);
});

test("consume makes its consumer again when it was deleted while its hands were full", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await transport.ensureConsumer(A);
  await transport.publish("resources.t", "in hand");
  await using puller = pull(transport, A);
  const inHand = await puller.next();
  await nats.manager.consumers.delete("messages", "a");
  await assert.rejects(inHand.ack(), Retryable);
  const next = puller.take();
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await transport.publish("resources.t", "after");
  assert.equal(text(await next), "after");
});

test("consume waits for a stream that does not exist yet, and says so once", async () => {
  await using log = await captureLog();
  await using nats = await broker({ streams: false });
  const transport = await nats.open();
  await using puller = pull(transport, A);
  const next = puller.take();
  await log.line(/does not exist yet/);
  await assert.rejects(transport.ensureConsumer(A), Retryable);
  await assert.rejects(transport.publish("resources.t", "x"), Retryable);
  let asked = 0;
  nats.connection.subscribe("$JS.API.>", { callback: () => void asked++ });
  await until(() => asked >= 3, "it asks again and again");
  await ensureStreams(nats.connection);
  await log.line(/takes messages again/);
  await transport.publish("resources.t", "after");
  assert.equal(text(await next), "after");
  assert.deepEqual(log.lines, [
    'warning: Consumer a waits: stream "messages" does not exist yet',
    "info: Consumer a of stream messages takes messages again",
  ]);
});

test("consume waits for a stream that is deleted under it and made again", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  await using puller = pull(transport, A);
  const next = puller.take();
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await transport.publish("pipelines.x", "before", { id: "before" });
  assert.equal(await transport.holds("pipeline-engine", "before"), true);
  for (let i = 0; i < 5; i++) await transport.publish("pipelines.x", "more");
  assert.equal(await transport.holds("pipeline-engine", "never"), false);
  for (const stream of ["messages", "pipeline-engine"]) await nats.manager.streams.delete(stream);
  await ensureStreams(nats.connection);
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await transport.publish("resources.t", "after", { id: "after" });
  assert.equal(text(await next), "after");
  assert.equal(await transport.holds("pipeline-engine", "before"), false);
  await (await nats.open()).publish("pipelines.x", "1", { id: "theirs" });
  assert.equal(await transport.holds("pipeline-engine", "theirs"), true);
});

for (const end of ["stop", "kill"] as const) {
  test(`a broker that ends by ${end} and comes back on its store loses nothing, with one line for each`, async () => {
    await using log = await captureLog();
    await using nats = await broker();
    const transport = await nats.open();
    const other = await nats.open();
    const consumer = spec("a", ["resources.t"], 1000);
    await using puller = pull(transport, consumer);
    await using idle = pull(other, spec("b", ["resources.u"]));
    const toB = idle.take();
    await until(async () => (await waitingPulls(nats.manager, "b")) === 1);
    await transport.ensureConsumer(consumer);
    for (const i of ["1", "2", "3"]) await transport.publish("resources.t", i, { id: i });
    await puller.take();
    await puller.next();
    await nats.server[end]();
    const whileAway = transport.publish("resources.t", "4", { id: "4" });
    const carriedOut = whileAway.then(() => true, (error) => error instanceof Retryable);
    await log.line(/Lost NATS/);
    await nats.server.start();
    assert.equal(await carriedOut, true);
    await again(() => transport.publish("resources.t", "4", { id: "4" }));
    const missing = new Set(["2", "3", "4"]);
    while (missing.size > 0) missing.delete((await puller.take()).id ?? "");
    await again(() => other.publish("resources.u", "5"));
    assert.equal(text(await toB), "5");
    const server = `127.0.0.1:${nats.server.port}`;
    const count = (line: string) => log.lines.filter((said) => said === line).length;
    await until(() => Promise.resolve(count(`info: Connected to NATS at ${server} again`) === 3));
    assert.equal(count(`warning: Lost NATS at ${server}; trying again`), 3);
    assert.ok(!log.lines.some((line) => line.includes("heartbeats")), log.lines.join("\n"));
    // Beside those three pairs, of three connections: that JetStream takes a moment longer, and that it is
    // there.
    assert.ok(log.lines.length <= 10, log.lines.join("\n"));
  });
}

test("what is asked while the broker is away is sent when it is back", async () => {
  await using log = await captureLog();
  await using nats = await broker();
  const transport = await nats.open();
  await using _serving = await transport.serve("runs.*.claim", () => Promise.resolve("go"));
  await nats.server.stop();
  await log.line(/Lost NATS/);
  await assert.rejects(transport.request("runs.r.claim", "x", { timeoutMs: 50 }), Retryable);
  const answer = transport.request("runs.r.claim", "x", { timeoutMs: 30_000 });
  await nats.server.start();
  assert.equal(new TextDecoder().decode(await answer), "go");
});

test("what was asked when the broker went away fails at once with Retryable", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: never, resolve } = Promise.withResolvers<string>();
  await using _silent = await transport.serve("runs.r.claim", () => {
    onAsked();
    return never;
  });
  const answer = transport.request("runs.r.claim", "x", { timeoutMs: 600_000 });
  const refused = assert.rejects(within(answer, "the refusal"), Retryable);
  await asked;
  await nats.server.kill();
  await refused;
  await nats.server.start();
  resolve("too late");
});

test("publish, holds and putBlob work again when the broker is back", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  const run = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
  await transport.putBlob(run, "before", bytes("before"));
  await nats.server.stop();
  await nats.server.start();
  await again(() => transport.publish("pipelines.x", "1", { id: "1" }));
  assert.equal(await again(() => transport.holds("pipeline-engine", "1")), true);
  assert.equal((await again(() => transport.putBlob(run, "after", bytes("after")))).size, 5);
});

test("dispose ends while the broker is away", async () => {
  await using log = await captureLog();
  await using nats = await broker();
  const transport = await openNats({ servers: [nats.server.url] });
  await using puller = pull(transport, A);
  const end = puller.ended();
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await nats.server.kill();
  await log.line(/Lost NATS/);
  await within(transport[Symbol.asyncDispose](), "dispose");
  assert.equal(await end, true);
  await nats.server.start();
});

test("consume mends its request when the broker falls silent, with one line in the log", () =>
  leased(async (leaseMs) => {
    await using log = await captureLog();
    await using nats = await broker();
    const transport = await nats.open({ pullTimes: { expires: 60_000, heartbeat: leaseMs } });
    await using puller = pull(transport, A);
    const next = puller.take();
    await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
    nats.server.freeze();
    await log.line(/missed its heartbeats/);
    nats.server.thaw();
    await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
    await transport.publish("resources.t", "after");
    assert.equal(text(await next), "after");
    assert.deepEqual(log.lines, [
      "warning: Consumer a of stream messages: missed its heartbeats; asking again",
    ]);
  }));

test("consume asks anew when its requests expire, and never for more than it has hands", () =>
  leased(async (leaseMs) => {
    await using log = await captureLog();
    await using nats = await broker();
    const transport = await nats.open({ pullTimes: { expires: 2 * leaseMs, heartbeat: leaseMs } });
    const other = await nats.open();
    await using busy = pull(transport, A);
    const one = busy.take();
    await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
    const two = busy.next();
    const requests: string[] = [];
    nats.connection.subscribe("$JS.API.CONSUMER.MSG.NEXT.messages.a", {
      callback: (_error, request) => void requests.push(request.string()),
    });
    await until(() => Promise.resolve(requests.length >= 4));
    await transport.publish("resources.t", "1");
    await transport.publish("resources.t", "2");
    assert.deepEqual((await Promise.all([one, two])).map(text).sort(), ["1", "2"]);
    await transport.publish("resources.t", "3");
    await using idle = pull(other, A);
    const three = await idle.next();
    assert.deepEqual([text(three), three.deliveries], ["3", 1]);
    assert.deepEqual(log.lines, []);
  }));

test("consume gives back what is on its way to it when its signal fires", async () => {
  await using nats = await broker();
  const transport = await nats.open();
  const other = await nats.open();
  await transport.ensureConsumer(A);
  const missing = new Set(Array.from({ length: 150 }, (_, i) => `m${i}`));
  for (const [i, id] of [...missing].entries()) {
    await using leaving = pull(transport, A);
    const last = leaving.take().then((delivery) => missing.delete(delivery.id ?? ""), () => {});
    const published = other.publish("resources.t", "x", { id });
    await turns(i % 50);
    leaving.stop();
    await Promise.all([published, last]);
  }
  await using puller = pull(other, A);
  while (missing.size > 0) missing.delete((await puller.take()).id ?? "");
});

test("consume restores a filter and an ack wait that another client took away", async () => {
  await using nats = await broker();
  const transport = await nats.open({ pullTimes: { expires: 200, heartbeat: 100, verify: 0 } });
  await using puller = pull(transport, spec("a", ["resources.t", "resources.u"], 40_000));
  const next = puller.take();
  await until(async () => (await waitingPulls(nats.manager, "a")) === 1);
  await nats.manager.consumers.update("messages", "a", { filter_subjects: ["resources.t"], ack_wait: 1e9 });
  await until(async () => {
    const { config } = await nats.manager.consumers.info("messages", "a");
    return config.ack_wait === 40e9 && config.filter_subjects?.length === 2;
  });
  await transport.publish("resources.u", "restored");
  assert.equal(text(await next), "restored");
});

test("working restores the ack wait that another client lowered, while nothing else is asked for", async () => {
  await using nats = await broker();
  const transport = await nats.open({ pullTimes: { verify: 0 } });
  await using puller = pull(transport, spec("a", ["resources.t"], 40_000));
  await transport.ensureConsumer(spec("a", ["resources.t"], 40_000));
  await transport.publish("resources.t", "1");
  const inHand = await puller.next();
  const set = (seconds: number) =>
    nats.manager.consumers.update("messages", "a", { ack_wait: seconds * 1e9 });
  await set(90);
  await inHand.working();
  await until(() => Promise.resolve(inHand.ackWaitMs === 90_000));
  await set(1);
  await inHand.working();
  await until(async () => (await nats.manager.consumers.info("messages", "a")).config.ack_wait === 40e9);
  await until(() => Promise.resolve(inHand.ackWaitMs === 40_000));
});

test("consume waits for a consumer that is not ours to be removed, and says what it is", async () => {
  await using log = await captureLog();
  await using nats = await broker();
  await nats.manager.consumers.add("messages", {
    durable_name: "a",
    deliver_subject: "push.here",
    ack_policy: AckPolicy.Explicit,
    filter_subject: "resources.t",
  });
  const transport = await nats.open();
  await using puller = pull(transport, A);
  const next = puller.take();
  await log.line(/cannot be pulled from/);
  await nats.manager.consumers.delete("messages", "a");
  await log.line(/takes messages again/);
  await transport.publish("resources.t", "1");
  assert.equal(text(await next), "1");
});
