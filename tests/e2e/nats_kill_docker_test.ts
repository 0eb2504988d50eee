import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { BUILD_PIPELINE } from "../../lib/build/pipeline.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { Pipeline } from "../../lib/wire/resource.ts";
import { eventsOf } from "../engine/support/world.ts";
import { FAULTS } from "../support/fault-points.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { testSettings } from "../support/settings.ts";
import { objectsOf, testDocker } from "../support/step-context.ts";
import { startedExecs } from "../support/started-execs.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", "broker");

/** Room for all runs at once, on the host that the gate is on, too. */
const ROOM = ["--slots", "20", "--host-id", testSettings().host];
const RUNS = Math.max(...Object.values(FAULTS).map(({ length }) => length));
/** Of the builder's: its command had begun, or may have, and nobody knows how it ended. */
const LOST = ["marked", "command-ended", "reconciled", "logged"];

/** The build with a gate before each step, so that the events of all runs come to a driver at once. */
const GATED: Pipeline = {
  ...BUILD_PIPELINE,
  steps: BUILD_PIPELINE.steps.flatMap((step) => [
    { ...step, id: `before-${step.driver}`, driver: "gate" },
    step,
  ]),
};

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

test("kill -9 of a driver at any boundary of an event: another instance takes over, and no command runs twice", async () => {
  await using fleet = await openFleet();
  await using gate = await openGate(fleet);
  await using execs = await startedExecs(fleet.owner);
  const { url: repository, image } = remote.current ?? {};
  const runs = await Promise.all(
    Array.from({ length: RUNS }, () => fleet.submit({ repository, image, commands: ["echo once"] }, GATED)),
  );
  for (const [driver, faults] of Object.entries(FAULTS)) {
    const doomed = await Promise.all(
      faults.map((fault) => fleet.driver(driver, ["--concurrency", "1", ...ROOM], { CONVEYOR_FAULT: fault })),
    );
    await gate.open(`before-${driver}`, RUNS);
    const ends = await Promise.all(doomed.map(({ ended }) => ended));
    assert.deepEqual(ends.map(({ code }) => code), faults.map(() => 137), driver);
    await fleet.driver(driver, ["--concurrency", `${RUNS}`, ...ROOM]);
  }
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  const outcomes = ends.map(({ outcome, reason }) => reason ?? outcome);
  assert.deepEqual(
    outcomes.toSorted(),
    FAULTS.builder.map((fault) => LOST.includes(fault) ? "driver-lost" : "succeeded").sort(),
  );
  // Of the builder that was killed once its build was marked as begun, the command never started.
  const times = runs.map((run) => execs.of(run.id, "echo once").length);
  assert.deepEqual(times.toSorted(), [0, ...Array.from({ length: RUNS - 1 }, () => 1)]);
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("a run whose builder is killed starts again in a fresh container where it may", async () => {
  await using fleet = await openFleet();
  await using execs = await startedExecs(fleet.owner);
  await fleet.local(containerStart, gitCloner, containerStop);
  const doomed = await fleet.driver("builder", [], { CONVEYOR_FAULT: "command-ended" });
  const { url: repository, image } = remote.current ?? {};
  const run = await fleet.engine.submit({
    resource: {
      id: randomUUID(),
      name: "app",
      resource: BUILD_PIPELINE.resource,
      metadata: {},
      spec: { repository, image, commands: ["echo mark >>marks; cat marks"] },
    },
    pipeline: BUILD_PIPELINE,
    operation: "create",
    timeoutMs: 3_600_000,
    restarts: 1,
    secrets: {},
  });
  assert.equal((await doomed.ended).code, 137);
  await fleet.driver("builder");
  const events = await eventsOf(fleet.engine, run);
  const end = events.at(-1);
  assert.equal(end?.type === "end" && end.outcome, "succeeded");
  assert.equal(execs.of(run, "echo mark").length, 2);
  // What the first left in its workspace is not there for the second.
  const said = events.flatMap((event) =>
    event.type === "log" && event.step === "builder" && event.stream === "stdout" ? [event.message] : []
  );
  assert.deepEqual(said.filter((line) => line !== "mark"), []);
  assert.ok(said.length <= 2, `${said}`);
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

/** A driver whose steps end when all runs have come to them. */
async function openGate(fleet: Fleet) {
  const waiting = new Map<string, (() => void)[]>();
  let hear = () => {};
  await using opening = new AsyncDisposableStack();
  // Never asked anything.
  const docker = opening.use(testDocker());
  const instance = opening.use(startInstance({
    driver: {
      name: "gate",
      resources: [GATED.resource],
      reconcile: async ({ step }) => {
        await new Promise<void>((resolve) => {
          waiting.set(step, [...waiting.get(step) ?? [], resolve]);
          hear();
        });
        return { success: true, message: "" };
      },
    },
    transport: fleet.transport,
    docker,
    settings: testSettings(),
    concurrency: RUNS,
  }));
  await instance.ready;
  const open = opening.move();
  return {
    open: async (step: string, count: number) => {
      while ((waiting.get(step)?.length ?? 0) < count) {
        await new Promise<void>((resolve) => hear = resolve);
      }
      for (const pass of waiting.get(step) ?? []) pass();
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
