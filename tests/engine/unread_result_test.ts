import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { seal } from "../../lib/engine/shell/seal.ts";
import { until } from "../support/until.ts";
import { OK } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { type Job, scriptedDriver, sendResult } from "./support/scripted-driver.ts";
import { endOf, openWorld, type World } from "./support/world.ts";

const ACK_WAIT_MS = 100;

/**
 * An engine that reads no results before it is told to, with a clock that can be put forward by several ack
 * waits.
 */
async function slowReader(world: World) {
  const { transport, store, sealKey } = world;
  const reading = Promise.withResolvers<void>();
  const slow: Transport = {
    ...transport,
    async *consume(spec, options) {
      if (spec.stream === "pipeline-engine") await reading.promise;
      yield* transport.consume(spec, options);
    },
  };
  let now = 0;
  const engine = await world.engine({ transport: slow, ackWaitMs: ACK_WAIT_MS, clock: () => now });
  /**
   * Resolves when the engine has looked at all runs, and again, in a time in which nothing was heard of them.
   */
  const letTimePass = async () => {
    const orphan = randomUUID();
    await store.secrets.put(orphan, seal({}, orphan, sealKey), 0);
    // It is forgotten at the second look that finds no run of it.
    await until(async () => {
      now += 5 * ACK_WAIT_MS;
      return await store.secrets.get(orphan) === undefined;
    }, "the engine has looked twice");
  };
  return { engine, letTimePass, read: () => reading.resolve() };
}

test("a step whose result was sent is not handed out again while the result waits to be read", async () => {
  await using world = await openWorld();
  const { engine, letTimePass, read } = await slowReader(world);
  const jobs: Job[] = [];
  const work = (job: Job) => (jobs.push(job), OK);
  world.use(await scriptedDriver(world.transport, "a", work, { ackWaitMs: ACK_WAIT_MS }));
  const run = await engine.submit(submission("a"));
  await until(() => jobs.length > 0, "the step has begun");
  await until(
    async () => !await world.transport.holds("messages", jobs[0]?.delivery.id ?? ""),
    "it is acked",
  );
  await letTimePass();
  read();
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "succeeded");
  assert.equal(jobs.length, 1);
});

test("a step whose result was sent is not granted to the next delivery when its ack got lost", async () => {
  await using world = await openWorld();
  const { transport } = world;
  const { engine, letTimePass, read } = await slowReader(world);
  const jobs: Job[] = [];
  let answers = 0;
  const counted: Transport = {
    ...transport,
    request: (...asked) => transport.request(...asked).finally(() => answers++),
  };
  const sendAndDie = async (job: Job) => {
    jobs.push(job);
    await sendResult(transport, job, "a", OK);
    return undefined;
  };
  for (const instance of ["one", "two"]) {
    world.use(await scriptedDriver(counted, "a", sendAndDie, { instance, ackWaitMs: ACK_WAIT_MS }));
  }
  const run = await engine.submit(submission("a"));
  await until(() => answers > 0, "the step is granted");
  await letTimePass();
  const before = answers;
  await until(() => answers > before + 1, "deliveries that came again were answered");
  read();
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "succeeded");
  assert.equal(jobs.length, 1);
});
