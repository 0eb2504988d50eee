import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { delay } from "../../lib/base/signals.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { ids } from "../../lib/wire/ids.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { OK } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { type Job, resultEvent, scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld, type World } from "./support/world.ts";

const ACK_WAIT_MS = 300;

/** An engine that cannot read results for a while: several ack waits. */
async function slowReader(world: World) {
  const { transport } = world;
  const slow: Transport = {
    ...transport,
    async *consume(spec, options) {
      if (spec.stream === "pipeline-engine") await delay(5 * ACK_WAIT_MS);
      yield* transport.consume(spec, options);
    },
  };
  return await world.engine({ transport: slow, ackWaitMs: ACK_WAIT_MS });
}

test("a step whose result was sent is not handed out again while the result waits to be read", async () => {
  await using world = await openWorld();
  const engine = await slowReader(world);
  const jobs: Job[] = [];
  const work = (job: Job) => (jobs.push(job), OK);
  world.use(await scriptedDriver(world.transport, "a", work, { ackWaitMs: ACK_WAIT_MS }));
  const end = await endOf(engine, await engine.submit(submission("a")));
  assert.equal(end.outcome, "succeeded");
  assert.equal(jobs.length, 1);
});

test("a step whose result was sent is not granted to the next delivery when its ack got lost", async () => {
  await using world = await openWorld();
  const { transport } = world;
  const engine = await slowReader(world);
  const jobs: Job[] = [];
  const sendAndDie = async (job: Job) => {
    jobs.push(job);
    const { run, step, attempt, resource } = job;
    await transport.publish(subjects.result, resultEvent(run, resource, "a", OK), {
      id: ids.result(run, step, attempt),
      headers: { [HEADERS.step]: step, [HEADERS.attempt]: String(attempt) },
    });
    return undefined;
  };
  for (const instance of ["one", "two"]) {
    world.use(await scriptedDriver(transport, "a", sendAndDie, { instance, ackWaitMs: ACK_WAIT_MS }));
  }
  const end = await endOf(engine, await engine.submit(submission("a")));
  assert.equal(end.outcome, "succeeded");
  assert.equal(jobs.length, 1);
});
