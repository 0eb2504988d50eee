import assert from "node:assert/strict";
import type { Clock } from "../../lib/base/clock.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { cable } from "../support/cable.ts";
import { ACK_WAIT_MS, type Fleet, openFleet } from "../support/fleet.ts";
import { barrier } from "../support/barrier.ts";
import { leaseEnds } from "../support/lease.ts";
import { pipelineOf, worker } from "../support/worker.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("broker");

let fleet: Fleet;
before(async () => void (fleet = await openFleet()));
after(() => fleet[Symbol.asyncDispose]());

test("a hundred events are handled once each, and shared by four instances that work at once", async () => {
  const handled: { by: number; run: string }[] = [];
  const four = barrier(4);
  await using workers = new AsyncDisposableStack();
  const instances = [0, 1, 2, 3];
  await Promise.all(instances.map(async (by) =>
    workers.use(
      await worker(fleet, "shared", async ({ run }) => {
        handled.push({ by, run });
        await four();
      }),
    )
  ));
  const runs = await Promise.all(Array.from({ length: 100 }, () => fleet.submit({}, pipelineOf("shared"))));
  for (const run of runs) assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(handled.map(({ run }) => run).sort(), runs.map(({ id }) => id).sort());
  for (const by of instances) {
    assert.equal(handled.filter((one) => one.by === by).length, 25);
  }
});

test("events that were published before any driver was started, each longer than a pull, are handled once each", async () => {
  const handled: string[] = [];
  const runs = await Promise.all(Array.from({ length: 4 }, () => fleet.submit({}, pipelineOf("queued"))));
  await using _worker = await worker(fleet, "queued", async ({ run }) => {
    handled.push(run);
    await leaseEnds(fleet.server.url, 400);
  }, { pullTimes: { expires: 200, heartbeat: 100 } });
  for (const run of runs) assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(handled.toSorted(), runs.map(({ id }) => id).sort());
});

test("a step three times as long as the ack wait is handled once, with another instance at hand", async () => {
  const handled: string[] = [];
  const work = async ({ run, attempt }: Context) => {
    handled.push(`${run} ${attempt}`);
    for (let i = 0; i < 3; i++) await leaseEnds(fleet.server.url, ACK_WAIT_MS);
  };
  await using _one = await worker(fleet, "long", work);
  await using _other = await worker(fleet, "long", work);
  const run = await fleet.submit({}, pipelineOf("long"));
  assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(handled, [`${run.id} 1`]);
});

for (const hours of [1, -1]) {
  test(`a driver whose clock is ${hours} h off does its work, within its time`, async () => {
    const clock: Clock = () => Date.now() + hours * 3_600_000;
    await using _worker = await worker(fleet, "elsewhen", async ({ log, resource, signal }) => {
      await log.line("one\ntwo");
      if ((resource.spec as { isShort?: boolean }).isShort) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
      signal.throwIfAborted();
    }, { clock });
    const run = await fleet.submit({}, pipelineOf("elsewhen"));
    assert.equal((await run.ended).outcome, "succeeded");
    assert.deepEqual(
      run.events.flatMap((event) => event.type === "log" ? [event.message] : []),
      ["one", "two"],
    );
    const short = {
      ...pipelineOf("elsewhen"),
      steps: [{ id: "a", name: "a", driver: "elsewhen", timeout: 200 }],
    };
    const end = await (await fleet.submit({ isShort: true }, short)).ended;
    assert.equal(end.outcome, "timed-out");
  });
}

test("a cancel reaches a driver that was cut off from the broker, and its run does not wait for it", async () => {
  await using wire = await cable(fleet.server.port);
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<string>();
  await using _worker = await worker(fleet, "far", async ({ signal }) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.resolve(signal.reason.reason);
    throw signal.reason;
  }, { servers: [wire.url] });
  const cleaned: string[] = [];
  await using _cleaner = await worker(fleet, "cleaner", ({ run }) => void cleaned.push(run));
  const run = await fleet.submit({}, pipelineOf("far cleaner!"));
  await begun.promise;
  wire.cut();
  await fleet.engine.stop(run.id, { outcome: "cancelled", reason: "cancelled", message: "Enough" });
  const end = await run.ended;
  assert.deepEqual([end.outcome, end.message], ["cancelled", "Enough"]);
  assert.deepEqual(cleaned, [run.id]);
  wire.mend();
  // Given up by now: whatever it would say of its step counts no more.
  assert.equal(await stopped.promise, "driver-lost");
});

test("an attempt that was cut off and overtaken stops when it is back, and counts for nothing", async () => {
  await using wire = await cable(fleet.server.port);
  const begun = Promise.withResolvers<void>();
  const overtaken = Promise.withResolvers<number>();
  const goOn = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<string>();
  await using _far = await worker(fleet, "fenced", async ({ signal }) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.resolve(signal.reason.reason);
    return { success: false, message: "of the first" };
  }, { servers: [wire.url] });
  const run = await fleet.submit({}, pipelineOf("fenced"));
  await begun.promise;
  wire.cut();
  await using _near = await worker(fleet, "fenced", async ({ attempt }) => {
    overtaken.resolve(attempt);
    await goOn.promise;
    return { success: true, message: "of the second" };
  });
  assert.equal(await overtaken.promise, 2);
  wire.mend();
  assert.equal(await stopped.promise, "driver-lost");
  goOn.resolve();
  const end = await run.ended;
  assert.equal(end.outcome, "succeeded");
  const messages = run.events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [event.result.message] : []
  );
  assert.deepEqual(messages, ["of the second"]);
});
