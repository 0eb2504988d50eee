import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { seal } from "../../lib/engine/shell/seal.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import type { Run } from "../../lib/wire/run.ts";
import { consumers, subjects } from "../../lib/wire/subjects.ts";
import { until } from "../support/until.ts";
import { submission, TYPE } from "./support/runs.ts";
import { type Job, resultEvent, scriptedDriver, sendResult } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld, type World } from "./support/world.ts";

const OK: DriverResult = { success: true, message: "fine" };
const ACK_WAIT = 30_000;
const CANCEL = { outcome: "cancelled", reason: "cancelled", message: "no" } as const;

/** Resolves when the run's record is as wanted. */
async function recorded(world: World, run: string, wanted: (run: Run) => boolean): Promise<Run> {
  for (;;) {
    const changed = Promise.withResolvers<void>();
    await using _watch = await world.store.runs.watch(run, () => changed.resolve());
    const found = await world.store.runs.get(run);
    if (found && wanted(found.value)) return found.value;
    await changed.promise;
  }
}

/** A driver of upstream's kind: acks first, claims nothing. Answers with the events it got. */
async function ackingFirst(world: World, driver: string, event: (data: string, id: string) => Promise<void>) {
  const stopping = new AbortController();
  const spec = {
    stream: "messages",
    name: consumers.shared(driver),
    filters: [subjects.step(driver, TYPE)],
    ackWaitMs: ACK_WAIT,
  } as const;
  await world.transport.ensureConsumer(spec);
  const loop = (async () => {
    for await (const delivery of world.transport.consume(spec, { signal: stopping.signal })) {
      await delivery.ack();
      await event(new TextDecoder().decode(delivery.data), delivery.id ?? "");
    }
  })();
  world.use({
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await loop;
    },
  });
}

test("a run that takes too long is stopped, cleaned up and timed out", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now });
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      assert.equal(job.remainingMs, 60_000);
      const nudged = Promise.withResolvers<void>();
      await using _ears = await world.transport.listen(subjects.nudge(job.run), () => nudged.resolve());
      now = 60_000;
      await nudged.promise;
      assert.deepEqual(await job.renew(), { answer: "stop", reason: "timeout" });
      return { success: false, message: "Stopped", data: { reason: "timeout" } };
    }),
  );
  world.use(await scriptedDriver(world.transport, "b", () => OK));
  const events = await eventsOf(engine, await engine.submit(submission("a b!", { timeoutMs: 60_000 })));
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a failed",
    "b started",
    "b succeeded",
    "end timed-out",
  ]);
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.message, "The run took longer than 1m 00s");
});

test("a driver that is lost while it is told to stop does not keep the run from its end", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now });
  const begun = Promise.withResolvers<Job>();
  world.use(await scriptedDriver(world.transport, "a", (job) => (begun.resolve(job), undefined)));
  world.use(await scriptedDriver(world.transport, "b", () => OK));
  const run = await engine.submit(submission("a b!"));
  const lost = await begun.promise;
  await engine.stop(run, CANCEL);
  now = ACK_WAIT;
  assert.equal((await endOf(engine, run)).outcome, "cancelled");
  assert.deepEqual(await lost.renew(), { answer: "stop", reason: "driver-lost" });
});

test("a step whose event is gone together with its consumer is sent again", async () => {
  await using world = await openWorld();
  let now = 0;
  const ids: string[] = [];
  const transport: Transport = {
    ...world.transport,
    demand: () => Promise.resolve(ids.length < 3 ? "none" : "open"),
  };
  const engine = await world.engine({ transport, clock: () => now, foreignDrivers: ["a"] });
  await ackingFirst(world, "a", (data, id) => {
    ids.push(id);
    now += 10 * ACK_WAIT;
    if (ids.length < 3) return Promise.resolve();
    const { run_id: run, payload } = JSON.parse(data);
    return world.transport.publish(subjects.result, resultEvent(run, JSON.parse(payload), "a", OK)).then(
      () => {},
    );
  });
  const run = await engine.submit(submission("a"));
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.deepEqual(ids, [1, 2, 3].map((dispatch) => `${run}/a/${dispatch}`));
});

test("the log of a run whose step nobody has claimed says why, once, as far as an instance of its driver knows", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now });
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let n = 0;
  const why = "Waiting for a slot (1 of 1 in use)";
  world.use(
    await world.transport.serve(subjects.room("a"), () => {
      asked[n++]?.resolve();
      return Promise.resolve(JSON.stringify({ why }));
    }),
  );
  const run = await engine.submit(submission("a b"));
  now = 1000;
  await asked[0]?.promise;
  now = 5000;
  await engine.submit(submission("a"));
  // Asked for the second run, and not for the first again, whose time to say it once more is past.
  now = 6000;
  await asked[1]?.promise;
  world.use(await scriptedDriver(world.transport, "a", () => OK));
  world.use(await scriptedDriver(world.transport, "b", () => OK));
  const events = await eventsOf(engine, run);
  assert.deepEqual(events.map(brief).slice(0, 4), ["run", "a started", `a 1 ${why}`, "a succeeded"]);
});

test("a step that waits in its queue is not sent again", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now });
  const held = new Set<string>();
  const asked = Promise.withResolvers<void>();
  const { transport } = world;
  const watching = {
    ...transport,
    holds: async (stream: "messages", id: string) => {
      held.add(id);
      if (held.size === 1) asked.resolve();
      return await transport.holds(stream, id);
    },
  };
  const other = await world.engine({
    clock: () => now,
    transport: watching as typeof transport,
    adopt: true,
  });
  const run = await other.submit(submission("a"));
  now = 100 * ACK_WAIT;
  await asked.promise;
  world.use(await scriptedDriver(transport, "a", () => OK));
  await endOf(engine, run);
  assert.equal((await world.store.runs.get(run))?.value.steps[0]?.dispatch, 1);
});

test("a driver that claims nothing and says nothing has its event once, however long it works", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now, foreignDrivers: ["a"] });
  const sent: string[] = [];
  await ackingFirst(world, "a", async (data, id) => {
    sent.push(id);
    const { run_id: run, payload } = JSON.parse(data);
    now = 1000;
    await recorded(world, run, ({ steps }) => steps[0]?.status === "running");
    now = 20 * ACK_WAIT;
    await world.transport.publish(subjects.result, resultEvent(run, JSON.parse(payload), "a", OK));
  });
  const run = await engine.submit(submission("a"));
  const end = await endOf(engine, run);
  assert.equal(end.outcome, "succeeded");
  assert.deepEqual(sent, [`${run}/a/1`]);
});

test("the time of a driver that claims nothing counts from its dispatch, and no driver at all is not waited for for ever", async () => {
  await using world = await openWorld();
  let now = 0;
  const times = { clock: () => now, maxQueuedMs: 60_000, foreignDrivers: ["a"] };
  const engine = await world.engine(times);
  await ackingFirst(world, "a", () => Promise.resolve());
  world.use(await scriptedDriver(world.transport, "c", () => OK));
  const silent = await engine.submit(submission("a c!", { timeoutMs: 5000 }));
  now = 1000;
  await recorded(world, silent, ({ steps }) => steps[0]?.status === "running");
  now = 5000;
  await recorded(world, silent, ({ verdict }) => verdict !== undefined);
  now += ACK_WAIT;
  const { outcome, message } = await endOf(engine, silent);
  assert.deepEqual([outcome, message], ["timed-out", "The run took longer than 5.00 s"]);

  const lonely = await engine.submit(submission("nobody c!"));
  now += 5000;
  await recorded(world, lonely, ({ outbox }) => outbox.length === 0);
  now += 60_000;
  const events = await eventsOf(engine, lonely);
  assert.deepEqual(events.map(brief).slice(-4), [
    "nobody skipped",
    "c started",
    "c succeeded",
    "end timed-out",
  ]);
  const end = events.at(-1);
  const why = 'No driver "nobody" took step "nobody" within 1m 00s (--max-queued)';
  assert.equal(end?.type === "end" && end.message, why);
});

test("a step after one with a host goes to a driver that claims nothing wherever that is, and the log says where others are missing", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ clock: () => now, foreignDrivers: ["go"] });
  const placed = { ...OK, data: { host: "h1" } };
  world.use(await scriptedDriver(world.transport, "a", () => placed));
  await ackingFirst(world, "go", async (data) => {
    const { run_id: run, payload } = JSON.parse(data);
    await world.transport.publish(subjects.result, resultEvent(run, JSON.parse(payload), "go", OK));
  });
  const run = await engine.submit(submission("a go b"));
  await recorded(world, run, ({ steps }) => steps[2]?.status === "dispatched");
  const told = Promise.withResolvers<string>();
  const following = (async () => {
    for await (const event of engine.follow(run)) if (event.type === "log") told.resolve(event.message);
  })();
  now = 1000;
  assert.match(
    await told.promise,
    /^Waiting for driver "b" on host "h1": .* mark step "b" .* anywhere: true$/,
  );
  world.use(await scriptedDriver(world.transport, "b", () => OK, { host: "h1" }));
  await following;
});

test("the log of a run says once that the driver at work is silent", async () => {
  await using world = await openWorld();
  let now = 0;
  let lookedAt = 0;
  const transport: Transport = {
    ...world.transport,
    holds: (...words) => (lookedAt++, world.transport.holds(...words)),
  };
  const engine = await world.engine({ transport, clock: () => now });
  const begun = Promise.withResolvers<void>();
  world.use(await scriptedDriver(world.transport, "a", () => void begun.resolve()));
  const run = await engine.submit(submission("a", { timeoutMs: 100 * ACK_WAIT }));
  await begun.promise;
  const told = Promise.withResolvers<void>();
  const lines: string[] = [];
  const following = (async () => {
    for await (const event of engine.follow(run)) {
      if (event.type !== "log") continue;
      lines.push(event.message);
      told.resolve();
    }
  })();
  now = ACK_WAIT;
  await told.promise;
  now = 10 * ACK_WAIT;
  const before = lookedAt;
  await until(() => Promise.resolve(lookedAt > before), "the event was looked for again");
  now = 30 * ACK_WAIT;
  await until(() => Promise.resolve(lookedAt > before + 1), "the event was looked for once more");
  await engine.abandon(run, "The test is over");
  await following;
  const silent = 'Driver "a" has been silent for 30.0 s: another instance takes the step, if there is one';
  assert.deepEqual(lines.filter((line) => line.includes("silent")), [silent]);
});

test("a driver is not called silent by a process that was stopped itself, unless it stays silent", async () => {
  await using world = await openWorld();
  let now = 0;
  let lookedAt = 0;
  const said: string[] = [];
  const transport: Transport = {
    ...world.transport,
    holds: (...words) => (lookedAt++, world.transport.holds(...words)),
    publish: (subject, data, given) => {
      if (given?.id?.endsWith("/silent")) said.push(JSON.parse(String(data)).message);
      return world.transport.publish(subject, data, given);
    },
  };
  const engine = await world.engine({ transport, clock: () => now });
  const begun = Promise.withResolvers<void>();
  world.use(await scriptedDriver(world.transport, "a", () => void begun.resolve()));
  await engine.submit(submission("a", { timeoutMs: 100 * ACK_WAIT }));
  await begun.promise;
  now = ACK_WAIT + 2000;
  await until(() => lookedAt > 0, "the event was looked for");
  now += ACK_WAIT;
  await until(() => said.length > 0, "the log says it");
  const expected = 'Driver "a" has been silent for 1m 02s: another instance takes the step, if there is one';
  assert.deepEqual(said, [expected]);
});

test("another instance takes over from one that died, as the next attempt", async () => {
  await using world = await openWorld();
  const engine = await world.engine({ ackWaitMs: 300 });
  const options = { ackWaitMs: 300 };
  const begun = Promise.withResolvers<Job>();
  const dying = await scriptedDriver(world.transport, "a", (job) => (begun.resolve(job), undefined), {
    ...options,
    instance: "first",
  });
  const run = await engine.submit(submission("a"));
  const first = await begun.promise;
  await dying[Symbol.asyncDispose]();
  const attempts: number[] = [];
  world.use(
    await scriptedDriver(world.transport, "a", async ({ attempt }) => {
      attempts.push(attempt);
      assert.deepEqual(await first.renew(), { answer: "stop", reason: "driver-lost" });
      await sendResult(world.transport, first, "a", { success: false, message: "late" }, "late");
      return OK;
    }, { ...options, instance: "second" }),
  );
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.deepEqual(attempts, [2]);
});

test("an attempt that was silent but is alive keeps its step when another one asks", async () => {
  await using world = await openWorld();
  let now = 0;
  const engine = await world.engine({ ackWaitMs: 300, clock: () => now });
  const asked = Promise.withResolvers<void>();
  const { transport } = world;
  let worked = 0;
  world.use(
    await scriptedDriver(transport, "a", async (job) => {
      worked++;
      await using _ears = await transport.listen(subjects.nudge(job.run), async () => {
        assert.equal((await job.renew()).answer, "go");
        asked.resolve();
      });
      // Neither the broker nor the engine hears of it for longer than the ack wait.
      now = 100_000;
      world.use(
        await scriptedDriver(transport, "a", () => (worked++, OK), { ackWaitMs: 300, instance: "other" }),
      );
      await asked.promise;
      return OK;
    }, { ackWaitMs: 300, instance: "silent" }),
  );
  const run = await engine.submit(submission("a b!", { timeoutMs: 1_000_000 }));
  world.use(await scriptedDriver(transport, "b", () => OK));
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.equal(worked, 1);
  assert.equal((await world.store.runs.get(run))?.value.steps[0]?.attempt, 1);
});

test("secrets that a crash left behind are forgotten, and not those of a submission under way", async () => {
  await using world = await openWorld();
  let now = 0;
  const { store, sealKey } = world;
  const engine = await world.engine({ clock: () => now });
  const [orphan, open, ended] = ["00000000", "77777777", "ffffffff"].map((start) =>
    start + randomUUID().slice(8)
  );
  assert.ok(orphan && open && ended);
  await engine.submit(submission("a", { run: ended }));
  await engine.abandon(ended, "gone");
  await engine.submit(submission("a", { run: open, secrets: { TOKEN: "x" } }));
  const leave = (run: string) => store.secrets.put(run, seal({ TOKEN: "x" }, run, sealKey), 0);
  const left = async () => (await store.secrets.list()).map(({ key }) => key);
  const look = async () => {
    // The last in the list: when it is gone, all of it has been looked at.
    await leave(ended);
    now += ACK_WAIT;
    await until(async () => !(await left()).includes(ended), "all secrets were looked at");
  };
  await look();
  await leave(orphan);
  await look();
  assert.deepEqual(await left(), [orphan, open]);
  await look();
  assert.deepEqual(await left(), [open]);
});
