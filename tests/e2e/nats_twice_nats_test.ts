import assert from "node:assert/strict";
import { AckPolicy, jetstream, type JetStreamClient } from "@nats-io/jetstream";
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { TYPE } from "../engine/support/runs.ts";
import { ACK_WAIT_MS, type Fleet, type FollowedRun, openFleet } from "../support/fleet.ts";
import { barrier } from "../support/barrier.ts";
import { leaseEnds } from "../support/lease.ts";
import { moment } from "../support/until.ts";
import { pipelineOf, worker } from "../support/worker.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("broker");

let fleet: Fleet;
let connection: NatsConnection;
let stream: JetStreamClient;
before(async () => {
  fleet = await openFleet({ foreignDrivers: ["mixed"] });
  connection = await connectNats({ servers: [fleet.server.url] });
  stream = await jetstream(connection);
  const manager = await stream.jetstreamManager();
  // What comes twice comes later than two minutes after the first: the broker has forgotten that one.
  for (const name of ["messages", "pipeline-engine"]) {
    await manager.streams.update(name, { duplicate_window: 100 * 1_000_000 });
  }
});
after(async () => {
  await connection.close();
  await fleet[Symbol.asyncDispose]();
});

/** What is published on the subject from now on. */
async function overheard(subject: string): Promise<AsyncIterator<Msg>> {
  const subscription = connection.subscribe(subject);
  await connection.flush();
  return subscription[Symbol.asyncIterator]();
}

/**
 * Publishes it once more, with the same id if it has one, as often as the broker takes it for what it has.
 */
async function again({ subject, data, headers }: Msg): Promise<void> {
  while ((await stream.publish(subject, data, headers ? { headers } : {})).duplicate);
}

const results = (run: FollowedRun) =>
  run.events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [event.result.message] : []
  );

test("an event that comes twice is worked on once, while it is and after it was", async () => {
  const handled: string[] = [];
  const goOn = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using _twice = await worker(fleet, "twice", async ({ attempt }) => {
    handled.push(`twice ${attempt}`);
    begun.resolve();
    await goOn.promise;
  }, { concurrency: 4 });
  const events = await overheard(subjects.step("twice", TYPE));
  const run = await fleet.submit({}, pipelineOf("twice next"));
  const { value: event } = await events.next();
  await begun.promise;
  await again(event);
  const info = async () => (await stream.jetstreamManager()).consumers.info("messages", "twice");
  // The second one is either worked on as well, or done with, or put off: then it comes again.
  for (;;) {
    const { delivered, num_ack_pending, num_redelivered } = await info();
    const isDecided = num_ack_pending < 2 || num_redelivered > 0;
    if (handled.length > 1 || (delivered.consumer_seq > 1 && isDecided)) break;
  }
  goOn.resolve();
  await run.event((one) => one.type === "step" && one.step === "twice" && one.status === "succeeded");
  await again(event);
  for (let now = await info(); now.num_pending + now.num_ack_pending > 0; now = await info());
  assert.deepEqual(handled, ["twice 1"]);
  await using _next = await worker(fleet, "next", () => void handled.push("next"));
  assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(handled, ["twice 1", "next"]);
});

test("a result that comes twice has one effect", async () => {
  const handled: string[] = [];
  const goOn = Promise.withResolvers<void>();
  await using _one = await worker(fleet, "first", () => void handled.push("first"));
  await using _two = await worker(fleet, "second", async () => {
    handled.push("second");
    await goOn.promise;
  });
  const sent = await overheard(subjects.result);
  const run = await fleet.submit({}, pipelineOf("first second"));
  const { value: result } = await sent.next();
  await run.event((one) => one.type === "step" && one.step === "second");
  await again(result);
  await engineIsThrough();
  goOn.resolve();
  assert.equal((await run.ended).outcome, "succeeded");
  await again(result);
  await engineIsThrough();
  assert.deepEqual(handled, ["first", "second"]);
  assert.deepEqual(results(run), ["first is done", "second is done"]);
});

test("a late result of an attempt that was overtaken counts for nothing", async () => {
  const goOn = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const overtaken = Promise.withResolvers<void>();
  // The first to have it loses it as a killed process would; its result comes when the second is at work.
  const dying = await worker(
    fleet,
    "late",
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    { instance: "dying" },
  );
  const run = await fleet.submit({}, pipelineOf("late"));
  await run.event((one) => one.type === "step" && one.status === "started");
  await dying[Symbol.asyncDispose]();
  await using _taking = await worker(fleet, "late", async ({ attempt }) => {
    attempts.push(attempt);
    overtaken.resolve();
    await goOn.promise;
  });
  await overtaken.promise;
  const set = headers();
  set.set(HEADERS.step, "late");
  set.set(HEADERS.attempt, "1");
  const driverresult = { success: false, message: "too late", data: null, driver: "late" };
  const resource = { id: "r", name: "app", resource: TYPE, metadata: {}, spec: {} };
  await stream.publish(
    subjects.result,
    JSON.stringify({ event: "driver.result", run_id: run.id, resource, driverresult }),
    { headers: set },
  );
  await engineIsThrough();
  goOn.resolve();
  assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(attempts, [2]);
  assert.deepEqual(results(run), ["late is done"]);
});

test("a driver of ours shares the consumer that a driver in Go made first, which keeps setting it back", async () => {
  const manager = await stream.jetstreamManager();
  const config = {
    name: "mixed",
    ack_policy: AckPolicy.Explicit,
    filter_subjects: [subjects.resource(TYPE), subjects.step("mixed", TYPE)],
    max_ack_pending: 1,
  };
  await manager.consumers.add("messages", config);
  const handled: { run: string; by: string }[] = [];
  const three = barrier(3);
  await using _go = await goDriver("mixed", async (run) => {
    handled.push({ run, by: "go" });
    await three();
  });
  await using _ours = await worker(fleet, "mixed", async ({ run }) => {
    handled.push({ run, by: "ours" });
    await three();
  }, { concurrency: 2, pullTimes: { expires: 400, heartbeat: 200, verify: 0 } });
  for (const round of [1, 2]) {
    const runs = await Promise.all([1, 2, 3].map(() => fleet.submit({}, pipelineOf("mixed"))));
    // Two at once by ours, beside Go's one: more than the one at all that Go asked for.
    for (const run of runs) assert.equal((await run.ended).outcome, "succeeded");
    assert.deepEqual(handled.map(({ run }) => run).sort(), runs.map(({ id }) => id).sort());
    assert.deepEqual(handled.map(({ by }) => by).sort(), ["go", "ours", "ours"]);
    handled.length = 0;
    if (round === 1) await manager.consumers.update("messages", "mixed", { max_ack_pending: 1 });
  }
  const { config: now } = await manager.consumers.info("messages", "mixed");
  assert.deepEqual([now.durable_name, now.inactive_threshold], ["mixed", 30 * 86_400e9]);
});

test("a consumer that somebody else made keeps the longer ack wait, and a step longer than the shorter one is handled once", async () => {
  const manager = await stream.jetstreamManager();
  for (const [name, theirs, ours] of [["hasty", 500, 30_000], ["calm", 30_000, 500]] as const) {
    await manager.consumers.add("messages", {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      filter_subjects: [subjects.resource(TYPE), subjects.step(name, TYPE)],
      ack_wait: theirs * 1_000_000,
    });
    const handled: string[] = [];
    const work = async ({ run, attempt }: Context) => {
      handled.push(`${run} ${attempt}`);
      // Longer than the shorter one, several times.
      for (let i = 0; i < 3; i++) await leaseEnds(fleet.server.url, 500);
    };
    await using _one = await worker(fleet, name, work, { ackWaitMs: ours });
    await using _other = await worker(fleet, name, work, { ackWaitMs: ours });
    const run = await fleet.submit({}, pipelineOf(name));
    assert.equal((await run.ended).outcome, "succeeded");
    assert.deepEqual(handled, [`${run.id} 1`]);
    const { config, num_redelivered } = await manager.consumers.info("messages", name);
    assert.deepEqual([config.ack_wait, num_redelivered], [30e9, 0]);
  }
});

test("an older and a newer release of a driver share a consumer, forth and back: its filters and its ack wait only grow", async () => {
  const manager = await stream.jetstreamManager();
  const NEW_TYPE = "new-type";
  const handled: string[] = [];
  const release = (name: string, resources: string[], ackWaitMs: number) =>
    worker(fleet, "rolled", async ({ run }) => {
      handled.push(`${run} ${name}`);
      await moment();
    }, { resources, ackWaitMs, retryMs: 20, concurrency: 2 });
  const older = () => release("older", [TYPE], ACK_WAIT_MS + 1000);
  const newer = () => release("newer", [TYPE, NEW_TYPE], ACK_WAIT_MS);
  const submit = (types: string[]) =>
    Promise.all(types.map((resource) => fleet.submit({}, { ...pipelineOf("rolled"), resource })));

  await using first = await older();
  const runs = await submit([TYPE, TYPE]);
  await using second = await newer();
  // Both types come while either release may be the one that gets them.
  runs.push(...await submit([TYPE, NEW_TYPE, NEW_TYPE, NEW_TYPE, TYPE, NEW_TYPE]));
  for (const run of runs) assert.equal((await run.ended).outcome, "succeeded");
  await first[Symbol.asyncDispose]();
  const rolled = await submit([TYPE, NEW_TYPE]);
  for (const run of rolled) assert.equal((await run.ended).outcome, "succeeded");
  await second[Symbol.asyncDispose]();
  // Back: what only the newer one handles waits for it.
  await using _back = await older();
  const waiting = await submit([NEW_TYPE, TYPE]);
  assert.equal((await waiting[1]?.ended)?.outcome, "succeeded");
  await using _again = await newer();
  assert.equal((await waiting[0]?.ended)?.outcome, "succeeded");

  const all = [...runs, ...rolled, ...waiting].map(({ id }) => id);
  assert.deepEqual(handled.map((one) => one.split(" ")[0]).sort(), all.sort());
  const { config } = await manager.consumers.info("messages", "rolled");
  assert.equal(config.ack_wait, (ACK_WAIT_MS + 1000) * 1e6);
  for (const type of [TYPE, NEW_TYPE]) {
    assert.ok(config.filter_subjects?.includes(subjects.step("rolled", type)), type);
  }
});

/** Resolves when the engine has taken every result that was sent. */
async function engineIsThrough(): Promise<void> {
  const manager = await stream.jetstreamManager();
  for (;;) {
    const { num_pending, num_ack_pending } = await manager.consumers.info(
      "pipeline-engine",
      "pipeline-engine",
    );
    if (num_pending + num_ack_pending === 0) return;
  }
}

/** A driver as Conveyor's own runtime in Go makes it: acks first, knows neither claims nor headers. */
async function goDriver(name: string, work: (run: string) => Promise<void>): Promise<AsyncDisposable> {
  const consumer = await stream.consumers.get("messages", name);
  const messages = await consumer.consume({ max_messages: 1 });
  const running = (async () => {
    for await (const message of messages) {
      message.ack();
      const { run_id, payload } = message.json<{ run_id: string; payload: string }>();
      await work(run_id);
      const driverresult = { success: true, message: "ok", data: null, driver: name };
      const result = { event: "driver.result", run_id, resource: JSON.parse(payload), driverresult };
      await stream.publish(subjects.result, JSON.stringify(result));
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      await messages.close();
      await running;
    },
  };
}
