import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Context, Driver } from "../../lib/driver/driver.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import {
  changed,
  dockerAway,
  openStage,
  type Stage,
  succeed,
  TYPE,
  until,
  workUntilStopped,
} from "./stage.ts";

const ACK_WAIT_MS = 300;

/** A driver that works alone, whoever calls it. */
const alone = (reconcile: (context: Context) => Promise<DriverResult> | DriverResult): Driver => ({
  name: "builder",
  resources: [TYPE],
  exclusive: true,
  reconcile: async (context) => await reconcile(context),
});

/** An event of a Conveyor server, which has an id in it and none around it: stored as often as it is sent. */
async function send({ transport }: Stage, times: number): Promise<string> {
  const run = randomUUID();
  const resource = { id: "r", name: "app", pipeline: "p", resource: TYPE, metadata: {}, spec: {} };
  const data = JSON.stringify({
    event: "create",
    payload: JSON.stringify(resource),
    id: "0011aabbccddeeff00112233",
    run_id: run,
  });
  for (let i = 0; i < times; i++) await transport.publish(subjects.step("builder", TYPE), data);
  return run;
}

test("an event without claims that is stored three times is worked on once by two instances, and has one result", async () => {
  await using stage = await openStage();
  let runs = 0;
  const goOn = Promise.withResolvers<void>();
  const driver = alone(async () => {
    runs++;
    await goOn.promise;
    return succeed();
  });
  const options = { ackWaitMs: ACK_WAIT_MS, concurrency: 2 };
  const counts = { later: 0, dropped: 0 };
  const observer = {
    settled: (as: string) => {
      if (as === "later" || as === "dropped") counts[as]++;
    },
    reconciled() {},
  };
  for (const _ of [1, 2]) await stage.start(driver, { ...options, observer }).ready;
  await send(stage, 3);
  await until(() => counts.later >= 3, "the others are put off");
  goOn.resolve();
  await stage.result();
  await until(() => counts.dropped === 2, "the others are dropped");
  assert.deepEqual([runs, stage.left()], [1, 0]);
});

test("an event without claims that is settled while the second asks for a sign of life is not begun again", async () => {
  await using stage = await openStage();
  const asked = Promise.withResolvers<void>();
  await using _asked = await stage.transport.listen(subjects.nudge("*"), () => asked.resolve());
  let runs = 0;
  let dropped = 0;
  const driver = alone(async () => {
    runs++;
    await asked.promise;
    return succeed();
  });
  const observer = { settled: (as: string) => void (as === "dropped" && dropped++), reconciled() {} };
  for (const _ of [1, 2]) await stage.start(driver, { ackWaitMs: 10 * ACK_WAIT_MS, observer }).ready;
  await send(stage, 2);
  await stage.result();
  await until(() => dropped === 1, "the other one is dropped");
  assert.deepEqual([runs, stage.left()], [1, 0]);
});

test("an event without claims whose instance is gone is taken over, and one whose instance gave it back begins at once", async () => {
  await using stage = await openStage();
  const dead = stage.start(alone(workUntilStopped), { ackWaitMs: ACK_WAIT_MS, instance: "dead" });
  await dead.ready;
  const run = await send(stage, 1);
  await until(() => dead.inHand === 1, "it works");
  // As if it had been killed: its mark stays.
  const name = `builder/${run}/0011aabbccddeeff00112233`;
  await until(async () => await stage.transport.readMark(name) !== undefined, "its mark is there");
  await dead.drain(0);
  const { text, revision } = await stage.transport.readMark(name) ?? { text: "none", revision: 0 };
  assert.equal(text, "", "given back");
  await stage.transport.writeMark(name, "dead", revision);
  stage.start(
    alone(({ attempt }) => attempt === 2 ? Promise.reject(dockerAway()) : succeed(`Attempt ${attempt}`)),
    {
      ackWaitMs: ACK_WAIT_MS,
    },
  );
  assert.equal((await stage.result()).result.message, "Attempt 3");
});

test("an instance that was taken for dead and was not stops, sends no result, and leaves the event alone", async () => {
  const ended: string[] = [];
  await using stage = await openStage({
    through: (transport) =>
      changed(transport, (delivery) => ({
        ack: () => {
          ended.push(`ack ${delivery.deliveries}`);
          return delivery.ack();
        },
        nak: (ms) => {
          ended.push(`nak ${delivery.deliveries}`);
          return delivery.nak(ms);
        },
      })),
  });
  const stopped = Promise.withResolvers<[string, boolean]>();
  const driver = alone(async ({ attempt, signal, isOurs }) => {
    if (attempt > 1) return succeed("of the second");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.resolve([signal.reason.reason, await isOurs()]);
    return succeed("of the first");
  });
  const mute = stage.start(driver, { ackWaitMs: ACK_WAIT_MS });
  await mute.ready;
  const run = await send(stage, 1);
  const name = `builder/${run}/0011aabbccddeeff00112233`;
  await until(async () => await stage.transport.readMark(name) !== undefined, "its mark is there");
  // Another instance that has found the mark silent.
  await until(async () => {
    const { revision } = await stage.transport.readMark(name) ?? { revision: 0 };
    return await stage.transport.writeMark(name, "other", revision) !== undefined;
  }, "the mark is another's");
  assert.deepEqual(await stopped.promise, ["driver-lost", false]);
  await until(() => mute.inHand === 0, "it has let go");
  assert.deepEqual(ended, []);
  // The other one is silent in its turn.
  assert.equal((await stage.result()).result.message, "of the second");
  await until(() => ended.length > 0, "the event is settled");
  assert.deepEqual([ended, stage.left()], [["ack 2"], 0]);
});
