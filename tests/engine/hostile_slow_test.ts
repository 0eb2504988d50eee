import assert from "node:assert/strict";
import { test } from "node:test";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { submission } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { brief, eventsOf, openWorld } from "./support/world.ts";

const OK: DriverResult = { success: true, message: "fine" };
const ACK_WAIT = 300;
const RUNS = 6;
const SEEDS = 6;

async function runsWith(seed: number): Promise<void> {
  await using world = await openWorld({ seed });
  const engine = await world.engine({ adopt: true, ackWaitMs: ACK_WAIT });
  const cleaned = new Map<string, number>();
  const options = { ackWaitMs: ACK_WAIT };
  world.use(
    await scriptedDriver(world.transport, "a", async (job) => {
      await job.log("one");
      await job.log("two");
      return OK;
    }, options),
  );
  world.use(
    await scriptedDriver(world.transport, "b", ({ resource }) => {
      const isBad = resource.name === "bad";
      return isBad ? { success: false, message: "no", data: { reason: "command-failed" } } : OK;
    }, options),
  );
  world.use(
    await scriptedDriver(world.transport, "c", ({ run }) => {
      cleaned.set(run, (cleaned.get(run) ?? 0) + 1);
      return OK;
    }, options),
  );
  const names = Array.from(
    { length: RUNS },
    (_, i) => i % 3 === 0 ? "bad" : i % 3 === 1 ? "good" : "cancelled",
  );
  const told = await Promise.all(names.map(async (name) => {
    const run = await engine.submit(submission("a b c!", {
      resource: { ...submission("a").resource, name },
      secrets: { TOKEN: "x" },
    }));
    const why = { outcome: "cancelled", reason: "cancelled", message: "no" } as const;
    if (name === "cancelled") await engine.stop(run, why);
    return { name, run, events: await eventsOf(engine, run) };
  }));
  for (const { name, run, events } of told) {
    const texts = events.map(brief);
    const want = { bad: "end failed", good: "end succeeded", cancelled: "end cancelled" }[name];
    assert.deepEqual(texts.filter((text) => text.startsWith("end")), [want]);
    const seqs = events.flatMap((event) => event.type === "log" ? [event.seq] : []);
    assert.deepEqual(seqs, seqs.map((_, i) => i + 1));
    assert.ok((cleaned.get(run) ?? 0) >= 1, `run ${name} with seed ${seed} was not cleaned up`);
    for (const step of ["a", "b", "c"]) {
      const ends = texts.filter((text) => new RegExp(`^${step} (succeeded|failed|skipped)$`).test(text));
      assert.equal(
        ends.length,
        1,
        `step ${step} of run ${name} ended ${ends.length} times with seed ${seed}`,
      );
    }
    assert.equal(await world.store.secrets.get(run), undefined);
  }
}

test("runs end once, whole and as they should on a hostile transport", async () => {
  await Promise.all(Array.from({ length: SEEDS }, (_, i) => runsWith(i + 1)));
});
