import assert from "node:assert/strict";
import { test } from "node:test";
import { subjects } from "../../lib/wire/subjects.ts";
import { drive, OK } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { type Job, scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";

test("stop tells the driver at work at once, lets it report, and cleans up", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const begun = Promise.withResolvers<void>();
  const nudged = Promise.withResolvers<void>();
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await using _ears = await world.transport.listen(subjects.nudge(job.run), () => nudged.resolve());
      assert.equal((await job.renew()).answer, "go");
      begun.resolve();
      await nudged.promise;
      assert.deepEqual(await job.renew(), { answer: "stop", reason: "cancelled" });
      return { success: false, message: "Stopped", data: { reason: "cancelled" } };
    }),
  );
  await drive(world, "c");
  const run = await engine.submit(submission("a b c!"));
  await begun.promise;
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "Cancelled by hand" });
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a failed",
    "b skipped",
    "c started",
    "c succeeded",
    "end cancelled",
  ]);
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.message, "Cancelled by hand");
  await engine.stop(run, { outcome: "failed", reason: "timeout", message: "late" });
  assert.equal((await endOf(engine, run)).outcome, "cancelled");
});

test("stop ends a run that waits in the queue without its driver", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  await drive(world, "c");
  const run = await engine.submit(submission("a c!"));
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "no" });
  assert.deepEqual((await eventsOf(engine, run)).map(brief), [
    "run",
    "a skipped",
    "c started",
    "c succeeded",
    "end cancelled",
  ]);
  let begun = 0;
  await drive(world, "a", () => (begun++, OK));
  const next = await engine.submit(submission("a"));
  await endOf(engine, next);
  assert.equal(begun, 1, "the cancelled run's event, which came first, was not worked on");
});

test("a driver that was told to stop and lets go makes way for the cleanup", async () => {
  await using world = await openWorld();
  const engine = await world.engine({ clock: () => 0 });
  const begun = Promise.withResolvers<Job>();
  world.use(await scriptedDriver(world.transport, "a", (job) => (begun.resolve(job), undefined)));
  await drive(world, "b");
  const run = await engine.submit(submission("a b!"));
  const job = await begun.promise;
  await engine.stop(run, { outcome: "cancelled", reason: "cancelled", message: "no" });
  assert.equal((await job.letGo()).answer, "done");
  assert.equal((await endOf(engine, run)).outcome, "cancelled");
});

test("abandon ends a run at once and says so in its log", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const working = Promise.withResolvers<Job>();
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await job.log("one");
      working.resolve(job);
      return undefined;
    }),
  );
  const run = await engine.submit(submission("a b!"));
  const job = await working.promise;
  await engine.abandon(run, "Its process is gone");
  await engine.abandon(run, "twice");
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a 1 one",
    "a 2 Its process is gone",
    "a failed",
    "b skipped",
    "end failed",
  ]);
  assert.equal(events.find((event) => event.type === "log" && event.seq === 2 && event.stream)?.type, "log");
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.reason, "driver-lost");
  assert.deepEqual(await job.renew(), { answer: "stop", reason: "driver-lost" });
});
