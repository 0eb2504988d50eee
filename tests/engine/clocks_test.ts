import assert from "node:assert/strict";
import { test } from "node:test";
import { bootClock } from "../../lib/base/boot.ts";
import { steadyClock } from "../../lib/base/clock.ts";
import { RunClocks } from "../../lib/engine/shell/run-clocks.ts";
import type { EngineOptions } from "../../lib/engine/shell/engine.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import type { Run } from "../../lib/wire/run.ts";
import { until } from "../support/until.ts";
import { submission } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld } from "./support/world.ts";

const OK: DriverResult = { success: true, message: "fine" };
const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);

/**
 * A machine whose clock can be set, and which can be started anew. Time passes only when the test says so.
 */
function machine() {
  let [wall, counted, boot] = [START, 0, 1];
  return {
    pass(ms: number) {
      wall += ms;
      counted += ms;
    },
    set(ms: number) {
      wall = ms;
    },
    reboot() {
      boot++;
      counted = 0;
    },
    now: () => wall,
    get sources(): Pick<EngineOptions, "clock" | "monotonic" | "boot"> {
      const atStart = counted;
      return {
        clock: () => wall,
        monotonic: () => counted - atStart,
        boot: () => ({ boot: String(boot), seconds: counted / 1000 }),
      };
    },
  };
}

for (const hours of [-30, 30]) {
  test(`a run neither times out nor is lost when the machine's clock is set by ${hours} h, and takes as long as it took`, async () => {
    await using world = await openWorld();
    const time = machine();
    const engine = await world.engine(time.sources);
    world.use(
      await scriptedDriver(world.transport, "a", async (job) => {
        assert.equal(job.remainingMs, 60_000);
        time.set(time.now() + hours * HOUR);
        time.pass(20_000);
        const answer = await job.renew();
        assert.equal(answer.answer === "go" && answer.remainingMs, 40_000);
        return OK;
      }),
    );
    const end = await endOf(engine, await engine.submit(submission("a", { timeoutMs: 60_000 })));
    assert.deepEqual([end.outcome, end.seconds], ["succeeded", 20]);
  });

  test(`a run still times out when the machine's clock is set by ${hours} h`, async () => {
    await using world = await openWorld();
    const time = machine();
    const engine = await world.engine(time.sources);
    world.use(
      await scriptedDriver(world.transport, "a", async (job) => {
        time.set(time.now() + hours * HOUR);
        time.pass(60_000);
        await until(async () => (await job.renew()).answer === "stop", "told to stop");
        return { success: false, message: "Stopped", data: { reason: "timeout" } };
      }),
    );
    const end = await endOf(engine, await engine.submit(submission("a", { timeoutMs: 60_000 })));
    assert.deepEqual([end.outcome, end.seconds], ["timed-out", 60]);
  });

  test(`a run goes on after a restart during which the machine's clock was set by ${hours} h`, async () => {
    await using world = await openWorld();
    const time = machine();
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    world.use(
      await scriptedDriver(world.transport, "a", async (job) => {
        begun.resolve();
        await goOn.promise;
        const answer = await job.renew();
        assert.equal(answer.answer === "go" && answer.remainingMs, 30_000);
        return OK;
      }),
    );
    const first = await world.engine(time.sources);
    const run = await first.submit(submission("a", { timeoutMs: 60_000 }));
    await begun.promise;
    await first[Symbol.asyncDispose]();
    time.set(time.now() + hours * HOUR);
    time.pass(30_000);
    const second = await world.engine({ ...time.sources, adopt: true });
    goOn.resolve();
    const end = await endOf(second, run);
    assert.deepEqual([end.outcome, end.seconds], ["succeeded", 30]);
  });
}

test("a run that is submitted after the machine's clock was set has the time of day", async () => {
  await using world = await openWorld();
  const time = machine();
  const engine = await world.engine(time.sources);
  time.set(START + 5 * HOUR);
  world.use(await scriptedDriver(world.transport, "a", () => OK));
  const run = await engine.submit(submission("a"));
  await endOf(engine, run);
  assert.equal((await world.store.runs.get(run))?.value.createdAt, START + 5 * HOUR);
});

test("RunClocks goes by the machine's clock after another boot, and never back behind what the record says", () => {
  const time = machine();
  const run = { id: "r", createdAt: START, steps: [{ heardAt: START + 90_000 }] } as unknown as Run;
  const stamped = new RunClocks(time.sources).stamped(run);
  time.reboot();
  time.set(START + HOUR);
  assert.equal(new RunClocks(time.sources).now(stamped), START + HOUR);
  time.set(START - HOUR);
  const behind = new RunClocks(time.sources);
  assert.equal(behind.now(stamped), START + 90_000);
  time.pass(1000);
  assert.equal(behind.now(stamped), START + 91_000);
  assert.equal(behind.since(stamped), START + 90_000);
});

test("RunClocks remembers no run that has ended", () => {
  const time = machine();
  const clocks = new RunClocks(time.sources);
  const run = { id: "r", createdAt: START, steps: [] } as unknown as Run;
  clocks.now(run);
  clocks.forget("r");
  const ended: Run = { ...run, outcome: "succeeded" };
  clocks.now(ended);
  time.set(START + HOUR);
  assert.equal(clocks.now(ended), START + HOUR);
});

test("bootClock counts on, and names the same boot each time", () => {
  const clock = bootClock();
  const [one, two, other] = [clock(), clock(), bootClock()()];
  if (process.platform !== "linux") return assert.equal(one, undefined);
  assert.match(one?.boot ?? "", /^[0-9a-f]{16}$/);
  assert.equal(one?.boot, two?.boot);
  assert.equal(one?.boot, other?.boot);
  assert.ok((two?.seconds ?? 0) >= (one?.seconds ?? Infinity));
});

test("steadyClock begins with the time of day and counts from there", () => {
  let counted = 5.5;
  const clock = steadyClock(1000, () => counted);
  assert.equal(clock(), 1000);
  counted += 250;
  assert.equal(clock(), 1250);
});
