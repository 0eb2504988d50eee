import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultPoint } from "../../lib/base/faults.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { until } from "../support/until.ts";
import { RUN, submission } from "./support/runs.ts";
import { mortalPublishRun, mortalStore, mortalTransport } from "./support/mortal.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { brief, endOf, eventsOf, openWorld } from "./support/world.ts";

const OK: DriverResult = { success: true, message: "fine" };
const ACK_WAIT = 400;

/**
 * Two steps; the first engine is killed at the n-th passage of `point`, a second one takes over. `isOne`:
 * transport and store are one database, where a change and its message take one transaction.
 */
async function killed(point: FaultPoint, n: number, isOne: boolean): Promise<void> {
  await using world = await openWorld();
  const done: string[] = [];
  for (const driver of ["a", "b"]) {
    const work = () => (done.push(driver), OK);
    world.use(await scriptedDriver(world.transport, driver, work, { ackWaitMs: ACK_WAIT }));
  }
  const life = { isOver: false };
  const died = Promise.withResolvers<void>();
  let passages = 0;
  const first = await world.engine({
    transport: mortalTransport(world.transport, life),
    store: mortalStore(world.store, life),
    publishRun: isOne ? mortalPublishRun(world.publishRun, life) : undefined,
    ackWaitMs: ACK_WAIT,
    faultPoint: (at) => {
      if (at !== point || ++passages !== n) return;
      life.isOver = true;
      died.resolve();
      throw new Error(`Killed at ${point}`);
    },
  });
  const submitted = first.submit(submission("a b!", { run: RUN, secrets: { TOKEN: "x" } })).catch((error) => {
    if (!life.isOver) throw error;
  });
  await died.promise;
  await submitted;
  await first[Symbol.asyncDispose]();
  const second = await world.engine({ adopt: true, ackWaitMs: ACK_WAIT });
  const events = await eventsOf(second, RUN);
  const told = events.map(brief);
  assert.deepEqual(
    told,
    ["run", "a started", "a succeeded", "b started", "b succeeded", "end succeeded"],
    `${point} ${n} ${isOne}`,
  );
  assert.deepEqual(done, ["a", "b"], `${point} ${n} ${isOne}: a step was run twice`);
}

/** How often each point is passed before the run ends. */
const passages: [FaultPoint, number][] = [
  ["run-stored", 5],
  ["outbox-published", 2],
  ["outbox-emptied", 2],
  ["result-handled", 1],
];

test("another engine goes on wherever the first one was killed, and nothing runs twice", async () => {
  const deaths = passages.flatMap(([point, times]) =>
    Array.from({ length: times }, (_, i) => [killed(point, i + 1, false), killed(point, i + 1, true)]).flat()
  );
  await Promise.all(deaths);
});

test("an engine that does not adopt leaves the runs of others alone", async () => {
  await using world = await openWorld();
  const life = { isOver: false };
  const first = await world.engine({
    transport: mortalTransport(world.transport, life),
    store: mortalStore(world.store, life),
    faultPoint: (point) => {
      if (point !== "run-stored") return;
      life.isOver = true;
      throw new Error("Killed");
    },
  });
  await assert.rejects(first.submit(submission("a", { run: RUN })));
  await first[Symbol.asyncDispose]();
  const before = await world.store.runs.get(RUN);
  assert.equal(before?.value.outbox.length, 1);
  let now = 0;
  const other = await world.engine({ clock: () => now });
  world.use(await scriptedDriver(world.transport, "b", () => OK));
  const ended = await other.submit(submission("b"));
  await endOf(other, ended);
  for (let looks = 0; looks < 3; looks++) {
    // Forgotten at the end of a look at all that is there.
    await world.store.secrets.put(ended, "left", 0);
    await until(async () => {
      now += 60_000;
      return await world.store.secrets.get(ended) === undefined;
    }, "all secrets were looked at");
  }
  assert.deepEqual(await world.store.runs.get(RUN), before);
});

test("two engines share their runs, and each step runs once", async () => {
  await using world = await openWorld();
  const done = new Map<string, number>();
  for (const driver of ["a", "b", "c"]) {
    for (const instance of ["1", "2"]) {
      const work = ({ run, step }: { run: string; step: string }) => {
        done.set(`${run}/${step}`, (done.get(`${run}/${step}`) ?? 0) + 1);
        return OK;
      };
      world.use(await scriptedDriver(world.transport, driver, work, { instance: `${driver}${instance}` }));
    }
  }
  const engines = [await world.engine({ adopt: true }), await world.engine({ adopt: true })] as const;
  const runs = await Promise.all(
    Array.from({ length: 20 }, (_, i) => engines[i % 2 === 0 ? 0 : 1].submit(submission("a b c!"))),
  );
  // Whoever follows need not ask the one who was asked to run it.
  const ends = await Promise.all(runs.map((run, i) => endOf(engines[i % 3 === 0 ? 0 : 1], run)));
  assert.ok(ends.every(({ outcome }) => outcome === "succeeded"));
  assert.equal(done.size, 60);
  assert.ok([...done.values()].every((times) => times === 1));
});
