import assert from "node:assert/strict";
import { containerStart } from "../../drivers/container-start.ts";
import { StepFailure } from "../../lib/base/errors.ts";
import { idleName, LABELS } from "../../lib/build/labels.ts";
import { reclaim } from "../../lib/build/reclaim.ts";
import { removeRun } from "../../lib/build/remove.ts";
import { waitForRoom } from "../../lib/build/room.ts";
import { housekeepHost } from "../../lib/build/housekeep-host.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { DriverSettings } from "../../lib/driver/driver.ts";
import type { AskRun } from "../../lib/driver/host/run-state.ts";
import { until } from "../driver/stage.ts";
import { asked } from "../support/asked.ts";
import { captureLog } from "../support/process-log.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { type StepContext, stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const { signal } = new AbortController();

/** Runs of one owner on the machine's daemon; none of them is left afterwards. */
async function onHost(
  given: Partial<DriverSettings>,
  work: (
    host: { docker: Docker; settings: DriverSettings; next(spec?: object): StepContext },
  ) => Promise<void>,
): Promise<void> {
  await using docker = testDocker();
  const settings = testSettings(given);
  const runs: string[] = [];
  const next = (spec: object = {}) => {
    const context = stepContext(docker, { image: TEST_IMAGE, repository: ".", ...spec }, { settings });
    runs.push(context.run);
    return context;
  };
  try {
    await work({ docker, settings, next });
  } finally {
    for (const run of runs) await removeRun(docker, { owner: settings.owner, run, signal });
  }
}

const start = (context: StepContext) => containerStart.reconcile(context);
const stateOf = async (docker: Docker, { run }: StepContext) => (await docker.inspect(idleName(run)))?.state;

/**
 * Waits until `wait` says in the process log why it waits, does what makes room, and waits for the end of it.
 */
async function fullUntil(wait: () => Promise<unknown>, why: RegExp, makeRoom: () => Promise<unknown>) {
  await using log = await captureLog();
  let isThrough = false;
  const waiting = wait().then(() => void (isThrough = true));
  await log.line(why);
  assert.equal(isThrough, false);
  await makeRoom();
  await waiting;
  assert.equal(log.lines.filter((line) => why.test(line)).length, 1);
}

test("waitForRoom counts an owner's containers and the events in hand against its slots", async () => {
  await onHost({ slots: 2 }, async ({ docker, settings, next }) => {
    const wait = (inHand: number) => waitForRoom(asked({ docker, settings, inHand, isHere: false, signal }));
    await wait(1);
    const [first, second] = [next(), next()];
    await start(first);
    await wait(0);
    await waitForRoom(
      asked({ docker, settings: testSettings({ slots: 1 }), inHand: 0, isHere: false, signal }),
    );
    const { owner } = settings;
    const full = /^info: Takes no new run: waiting for a slot \(2 of 2 in use\)$/;
    assert.equal(await waitForRoom(asked({ docker, settings, inHand: 1, isHere: true, signal })), false);
    assert.equal(await waitForRoom(asked({ docker, settings, inHand: 0, isHere: true, signal })), true);
    await fullUntil(() => wait(1), full, () => removeRun(docker, { owner, run: first.run, signal }));
    await start(first);
    await start(second);
    await fullUntil(() => wait(0), full, () => removeRun(docker, { owner, run: second.run, signal }));
  });
});

test("waitForRoom takes no run while more memory is promised than leaves room for one", async () => {
  await onHost({ slots: 4 }, async ({ docker, settings, next }) => {
    const { memory } = await docker.info();
    const large = next({ limits: { memory: Math.floor(memory * 0.7) } });
    await start(large);
    await fullUntil(
      () => waitForRoom(asked({ docker, settings, inHand: 0, isHere: false, signal })),
      /^info: Takes no new run: waiting for memory \(.* of .* in use\)$/,
      () => removeRun(docker, { owner: settings.owner, run: large.run, signal }),
    );
  });
});

test("waitForRoom waits for disk, and says once where nobody can see it", async () => {
  await onHost({ slots: 1, minFreeBytes: 2 ** 60 }, async ({ docker, settings }) => {
    await using log = await captureLog();
    const stopping = new AbortController();
    const waiting = waitForRoom(
      asked({ docker, settings, inHand: 0, isHere: false, signal: stopping.signal }),
    );
    await log.line(/^info: Takes no new run: waiting for disk \(Docker has .* left, expected .*B\)$/);
    stopping.abort(new Error("enough"));
    await assert.rejects(waiting, /^Error: enough$/);

    const elsewhere: Docker = { ...docker, endpoint: "tcp://192.0.2.1:2376" };
    await waitForRoom(asked({ docker: elsewhere, settings, inHand: 0, isHere: false, signal }));
    await waitForRoom(asked({ docker: elsewhere, settings, inHand: 0, isHere: false, signal }));
    assert.equal(log.lines.filter((line) => line.includes("--min-free has no effect")).length, 1);
  });
});

test("container-start starts a container only when what is promised to all fits, first come first served", async () => {
  await onHost({ slots: 3 }, async ({ docker, settings: { owner }, next }) => {
    const { memory } = await docker.info();
    const half = { limits: { memory: Math.floor(memory / 2) } };
    const [first, second, third] = [next(half), next(half), next()];
    await start(first);
    const starting = start(second);
    await until(
      () => second.log.recent(1).some((line) => line.startsWith("Waiting for memory (")),
      "it waits",
    );
    assert.equal(await stateOf(docker, second), "created");
    // The third would fit beside the first, but not beside both.
    const last = start(third);
    await until(
      () => third.log.recent(1).some((line) => line.startsWith("Waiting for memory (")),
      "it waits",
    );
    assert.equal(await stateOf(docker, third), "created");
    await removeRun(docker, { owner, run: first.run, signal });
    await Promise.all([starting, last]);
    assert.deepEqual([await stateOf(docker, second), await stateOf(docker, third)], ["running", "running"]);
  });
});

test("container-start keeps to its slots though two instances saw one free at the same time", async () => {
  await onHost({ slots: 1 }, async ({ docker, settings: { owner }, next }) => {
    const both = [next(), next()];
    const starting = both.map((context) => start(context));
    const isWaiting = ({ log }: StepContext) => log.recent(1)[0] === "Waiting for a slot (1 of 1 in use)";
    await until(() => both.some(isWaiting), "one of them waits");
    const first = await Promise.race(starting.map((started, i) => started.then(() => i)));
    const [runs, waits] = first === 0 ? both : both.toReversed();
    assert.ok(runs && waits);
    assert.deepEqual([await stateOf(docker, runs), await stateOf(docker, waits)], ["running", "created"]);
    await removeRun(docker, { owner, run: runs.run, signal });
    await Promise.all(starting);
    assert.equal(await stateOf(docker, waits), "running");
  });
});

test("container-start refuses what would never fit beside nobody, where there are slots", async () => {
  await onHost({ slots: 1 }, async ({ docker, next }) => {
    const { memory } = await docker.info();
    await assert.rejects(
      start(next({ limits: { memory } })),
      (error) =>
        error instanceof StepFailure && error.reason === "invalid-spec" &&
        /^spec\.limits\.memory: .* is more than the .* that builds may have on this host$/.test(
          error.message,
        ),
    );
  });
});

test("housekeepHost removes what the engine calls dead, and what has expired where no engine answers", async () => {
  await onHost({ slots: 4 }, async ({ docker, settings, next }) => {
    const [live, dead] = [next(), next()];
    await Promise.all([start(live), start(dead)]);
    const names = async () =>
      (await docker.list({ [LABELS.owner]: settings.owner })).map(({ name }) => name).sort();
    const both = [live, dead].map(({ run }) => idleName(run)).sort();
    const tend = (askRun: AskRun, given: Partial<Docker> = {}) =>
      housekeepHost({ docker: { ...docker, ...given }, policy: testPolicy(), settings, askRun, signal });
    const silence = () => Promise.resolve(undefined);

    await tend(silence);
    await housekeepHost({
      docker,
      policy: testPolicy(),
      settings: testSettings(),

      askRun: () => Promise.resolve("over"),
      signal,
    });
    assert.deepEqual(await names(), both);

    await tend((run) => Promise.resolve(run === live.run ? "works" : "over"));
    assert.deepEqual(await names(), [idleName(live.run)]);

    // The daemon's clock is past the run's limit of an hour and the spare one.
    const later = { now: async () => await docker.now() + 2 * 3_600_000 + 60_000 };
    await tend(() => Promise.resolve("works"), later);
    assert.deepEqual(await names(), [idleName(live.run)]);
    await tend(silence, later);
    assert.deepEqual(await names(), []);
  });
});

test("of those who remove a run's container at once, one is told that there was one, and the process log says it once", async () => {
  await onHost({ slots: 1 }, async ({ docker, settings, next }) => {
    const context = next();
    await start(context);
    await using log = await captureLog();
    const { owner } = settings;
    const over: AskRun = () => Promise.resolve("over");
    const containers = await docker.list({ [LABELS.owner]: owner });
    await Promise.all([
      reclaim(docker, containers, { owner, askRun: over, signal }),
      housekeepHost({ docker, policy: testPolicy(), settings, askRun: over, signal }),
      reclaim(docker, containers, { owner, askRun: over, signal }),
    ]);
    assert.equal(log.lines.filter((line) => line.includes("its run is over")).length, 1);
    assert.equal(await stateOf(docker, context), undefined);
  });
});
