import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { DriverManager, type ManagerParts } from "../../lib/driver/program/driver-manager.ts";
import type { ManagedDriver } from "../../lib/driver/managed-driver.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import { shortTimers, turns } from "../support/until.ts";
import { openStage, SETTINGS, type Stage, TYPE, within } from "../driver/stage.ts";

const driver = (reconcile: ManagedDriver["reconcile"]): ManagedDriver => ({
  name: "builder",
  resources: [TYPE],
  reconcile,
});

/** Events are kept for the driver from here on, started or not. */
async function wanted(stage: Stage): Promise<void> {
  const filters = [subjects.step("builder", TYPE), subjects.resource(TYPE)];
  await stage.transport.ensureConsumer({
    stream: "messages",
    name: consumers.shared("builder"),
    filters,
    ackWaitMs: 30_000,
  });
}

function partsOf(stage: Stage): ManagerParts {
  return { transport: stage.transport, docker: {} as never, settings: SETTINGS, drainMs: 60_000 };
}

test("DriverManager runs a driver the Conveyor way until it is told to stop", async () => {
  await using stage = await openStage();
  await wanted(stage);
  const payload = '{"id":"1","n":12345678901234567890,"name":"app","resource":"flutter-builder","spec":{}}';
  const manager = new DriverManager(
    driver(async (given, event, runId, logger) => {
      assert.equal(given, payload);
      await logger.log(`run ${runId}`, { phase: "one" });
      await logger.write("a line\nand an");
      await logger.write("other");
      return { success: true, data: { event } };
    }),
    ["*"],
    () => Promise.resolve(partsOf(stage)),
  );
  const stopping = new AbortController();
  const running = manager.run({ signal: stopping.signal });
  const run = await stage.send({ payload, event: "update" });
  const { result } = await stage.result();
  assert.deepEqual(result, { success: true, message: "", data: { event: "update" }, driver: "builder" });
  assert.deepEqual(await stage.messages(run), [`run ${run} phase=one`, "a line", "and another"]);
  stopping.abort();
  await within(running, "the manager");
});

test("DriverManager finishes what it has in hand when it is told to stop", async () => {
  await using stage = await openStage();
  await wanted(stage);
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const manager = new DriverManager(
    driver(async () => {
      begun.resolve();
      await gate.promise;
      return { success: true, message: "finished" };
    }),
    ["*"],
    () => Promise.resolve({ ...partsOf(stage), cleanupMs: 0 }),
  );
  const stopping = new AbortController();
  const running = manager.run({ signal: stopping.signal });
  await stage.send();
  await begun.promise;
  stopping.abort();
  await shortTimers();
  await turns();
  gate.resolve();
  await within(running, "the manager");
  assert.equal((await stage.result()).result.message, "finished");
});

test("DriverManager skips events that its driver does not handle", async () => {
  await using stage = await openStage();
  await wanted(stage);
  let runs = 0;
  const manager = new DriverManager(
    driver(() => {
      runs++;
      return { success: true, message: "created" };
    }),
    ["create"],
    () => Promise.resolve(partsOf(stage)),
  );
  const stopping = new AbortController();
  const running = manager.run({ signal: stopping.signal });
  await stage.send({ event: "delete", step: "a" });
  const { result } = await stage.result();
  assert.deepEqual(result, {
    success: true,
    message: 'Skipped: "builder" does not handle event "delete"',
    data: { skipped: true },
    driver: "builder",
  });
  await stage.send({ event: "create", step: "b" });
  assert.equal((await stage.result()).result.message, "created");
  assert.equal(runs, 1);
  stopping.abort();
  await within(running, "the manager");
});

test("DriverManager refuses names that could not stand in a subject", () => {
  const connect = () => Promise.reject(new Error("never"));
  assert.throws(
    () =>
      new DriverManager(
        { name: "a b", resources: [TYPE], reconcile: () => ({ success: true }) },
        ["*"],
        connect,
      ),
    InputError,
  );
});

test("DriverManager throws what its connection throws", async () => {
  const failure = new Error("No broker");
  const manager = new DriverManager(driver(() => ({ success: true })), ["*"], () => Promise.reject(failure));
  await assert.rejects(manager.run(), failure);
});
