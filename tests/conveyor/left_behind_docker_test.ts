import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { type NatsBackend, openNats } from "../../lib/backend/nats/transport.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { lookUntil } from "../../lib/build/look-until.ts";
import { sweep } from "../../lib/build/sweep.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { keepEvents } from "../../lib/driver/conveyor/keep-events.ts";
import { ServerRuns } from "../../lib/driver/conveyor/server-runs.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import { type Instance, startInstance } from "../../lib/driver/instance.ts";
import { keepHouse } from "../../lib/driver/host/housekeeping.ts";
import { type ConveyorServer, startConveyor } from "../support/conveyor-server.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { patience, within } from "../support/within.ts";
import { paced } from "../support/pace.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

const TYPE = "flutter-builder";
/** In the place of a minute. */
const EVERY_MS = 200;
const ACK_WAIT_MS = paced(1000);

const SPEC = { repository: "https://example.invalid/app.git", image: TEST_IMAGE };

interface Host {
  readonly server: ConveyorServer;
  readonly docker: Docker;
  readonly transport: NatsBackend;
  readonly owner: string;
  /** Starts another driver on this server. */
  start(driver: Driver): Promise<void>;
  /** Creates a run of these drivers, and answers its id. */
  create(name: string, ...drivers: string[]): Promise<string>;
  /** Starts a run of these drivers, and answers its id when its container is there. */
  run(name: string, ...drivers: string[]): Promise<string>;
  /** Resolves when the run has no container. */
  isCleared(run: string): Promise<void>;
}

/** A Conveyor server with a container-start, on a host with one slot. */
async function onHost(work: (host: Host) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  const owner = `test-${randomUUID()}`;
  const settings = testSettings({ owner, slots: 1, graceMs: 1000 });
  try {
    await using opened = new AsyncDisposableStack();
    const server = opened.use(await startConveyor());
    const transport = opened.use(await openNats({ servers: [server.nats] }));
    await server.call("POST", "/resource-definitions", { name: TYPE, schema: { type: "object" } });
    const ending = new AbortController();
    const { signal } = ending;
    await keepEvents(containerStart, { transport, resources: [TYPE], ackWaitMs: ACK_WAIT_MS, signal });
    const runs = opened.use(
      new ServerRuns({
        ...{ api: server.api, credentials: {}, resources: [TYPE], transport, host: settings.host },
        ...{ driver: "container-start", ackWaitMs: ACK_WAIT_MS, askEveryMs: EVERY_MS },
      }),
    );
    const instances: Instance[] = [];
    await runs.listen({
      whyFull: () => instances[0]?.whyFull,
      refuse: async (event) => await instances[0]?.refuse(event) ?? false,
    });
    const { askRun, isAnswered, news } = runs;
    const start = async (driver: Driver) => {
      const parts = {
        driver,
        transport,
        docker,
        settings,
        policy: testPolicy(),
        ackWaitMs: ACK_WAIT_MS,
        retryMs: 1,
      };
      const instance = opened.use(startInstance({ ...parts, askRun, isAnswered }));
      instances.push(instance);
      await instance.ready;
    };
    await start(containerStart);
    const tending = keepHouse(containerStart, { docker, settings, askRun, signal, news, everyMs: EVERY_MS });
    opened.defer(() => tending);
    opened.defer(() => ending.abort(new Error("The host ends")));
    const containers = (run: string) => docker.list({ [LABELS.owner]: owner, [LABELS.run]: run });
    const create: Host["create"] = async (name, ...drivers) => {
      const steps = drivers.map((driver) => ({ id: driver, name: driver, driver }));
      await server.call("POST", "/pipelines", { name, resource: TYPE, steps });
      return await server.create({ name, resource: TYPE, pipeline: name, spec: SPEC });
    };
    await work({
      server,
      docker,
      transport,
      owner,
      start,
      create,
      async run(...words) {
        const id = await create(...words);
        const isStarted = server.result((one) =>
          one.run_id === id && one.driverresult.driver === "container-start"
        );
        const { driverresult } = await isStarted;
        assert.equal(driverresult.success, true, driverresult.message);
        return id;
      },
      async isCleared(run) {
        const isGone = async () => (await containers(run)).length === 0 || undefined;
        await within(lookUntil(docker, owner, isGone, { signal }), "the container's end");
        assert.deepEqual(await docker.volumes({ [LABELS.owner]: owner, [LABELS.run]: run }), []);
      },
    });
  } finally {
    await sweep(docker, { owner, isAlive: () => false, signal: patience() });
  }
}

const driver = (name: string, reconcile: Driver["reconcile"]): Driver => ({
  name,
  resources: [TYPE],
  usesDocker: false,
  reconcile,
});

const untilStopped = (name: string, onBegin = () => {}): Driver =>
  driver(name, async ({ signal }) => {
    onBegin();
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    throw signal.reason;
  });

test("a container whose run goes no further is cleared beside a Conveyor server: its resource deleted, made anew, a step failed, an answer too large", () =>
  onHost(async ({ server, start, run, isCleared }) => {
    const working = Promise.withResolvers<void>();
    await start(untilStopped("worker", working.resolve));
    const deleted = await run("deleted", "container-start", "worker");
    await working.promise;
    await server.call("DELETE", `/resources/${TYPE}/deleted`);
    await hasLine(server, deleted, 'The resource "deleted" of this run was deleted');
    await isCleared(deleted);

    await start(driver("failing", () => Promise.resolve({ success: false, message: "No" })));
    await isCleared(await run("failed", "container-start", "failing"));

    const artifacts = Array.from({ length: 2000 }, (_, i) => ({ name: `${i}`.padStart(100, "a") }));
    await start(driver("large", () => Promise.resolve({ success: true, message: "", data: { artifacts } })));
    await isCleared(await run("large", "container-start", "large"));
  }));

test("a run whose next driver was never started on a Conveyor server ends with a line in its log, and its container is cleared", () =>
  onHost(async ({ server, run, isCleared }) => {
    const id = await run("lost", "container-start", "nobody");
    await isCleared(id);
    const lines = async () => (await server.logs(id)).map(({ message }) => message);
    const wanted =
      'The run ends here: no driver "nobody" has been started on this server, so its event is lost';
    while (!(await lines()).includes(wanted));
  }));

test("a run that waits for a driver of the pipeline that is not started yet takes no slot, and goes on when it is", () =>
  onHost(async ({ server, start, run }) => {
    const first = await run("first", "container-start", "git-cloner");
    const second = await run("second", "container-start", "git-cloner");
    await start(gitCloner);
    for (const id of [first, second]) {
      const { driverresult } = await server.result((one) =>
        one.run_id === id && one.driverresult.driver === "git-cloner"
      );
      // It found its container, and nobody knows such a host.
      assert.notEqual((driverresult.data as { reason: string }).reason, "container-lost");
    }
  }));

test("the log of a run that waits for a slot beside a Conveyor server says so, and the slot is taken as soon as it is free", () =>
  onHost(async ({ server, start, create, run, isCleared }) => {
    const go = Promise.withResolvers<void>();
    await start(driver("worker", async () => {
      await go.promise;
      return { success: false, message: "No" };
    }));
    const first = await run("first", "container-start", "worker");
    const second = await create("second", "container-start", "worker");
    const lines = async () => (await server.logs(second)).map(({ message }) => message);
    while (!(await lines()).includes("Waiting for a slot (1 of 1 in use)"));
    go.resolve();
    await isCleared(first);
    const { driverresult } = await server.result(({ run_id, driverresult: { driver } }) =>
      run_id === second && driver === "container-start"
    );
    assert.equal(driverresult.success, true);
    await isCleared(second);
  }));

/** Resolves when a line of the run's log is `wanted`. */
async function hasLine(server: ConveyorServer, run: string, wanted: string): Promise<void> {
  while (!(await server.logs(run)).some(({ message }) => message === wanted));
}

test("a failed step of a driver that is none of ours is a line in the run's log, once, and one of ours is no second line", () =>
  onHost(async ({ server, transport, start, run, isCleared }) => {
    const filters = [`drivers.go-lint.resources.${TYPE}`];
    await transport.ensureConsumer({ stream: "messages", name: "go-lint", filters, ackWaitMs: ACK_WAIT_MS });
    const driverresult = { success: false, message: "3 problems\nin 2 files", data: null, driver: "go-lint" };
    const wanted = "Step go-lint failed: 3 problems in 2 files";
    /** As the Go runtime does: without an id, and nothing keeps it from doing so twice. */
    const fail = async (name: string, run_id: string, times: number) => {
      const resource = server.resource(TYPE, name);
      const event = JSON.stringify({ event: "driver.result", run_id, resource, driverresult });
      for (let i = 0; i < times; i++) await transport.publish("pipelines.driver.result", event);
      await hasLine(server, run_id, wanted);
    };
    const theirs = await run("theirs", "container-start", "go-lint");
    await fail("theirs", theirs, 2);
    await isCleared(theirs);

    await start(driver("failing", () => Promise.resolve({ success: false, message: "No" })));
    const ours = await run("ours", "container-start", "failing");
    await isCleared(ours);

    // What is heard later has been told, and so has what was heard before.
    await fail("last", await run("last", "container-start", "go-lint"), 1);
    const lines = async (id: string) => (await server.logs(id)).map(({ message }) => message);
    assert.deepEqual((await lines(theirs)).filter((line) => line === wanted).length, 1);
    const told = (await lines(ours)).filter((line) => line.includes(": No"));
    assert.deepEqual(told, ["Failed (step-failed): No"]);
  }));

test("what container-start refuses anyway it refuses while its host has no room", () =>
  onHost(async ({ server, start, run, docker }) => {
    await start(untilStopped("worker"));
    const first = await run("first", "container-start", "worker");
    const reasonOf = async (id: string) => {
      const { driverresult } = await server.result(({ run_id, driverresult: { driver } }) =>
        run_id === id && driver === "container-start"
      );
      return (driverresult.data as { reason: string }).reason;
    };
    const create = (name: string, spec: object, pipeline: { pipeline?: string } = { pipeline: "first" }) =>
      server.create({ name, resource: TYPE, ...pipeline, spec: { ...SPEC, ...spec } });

    const secrets = await create("secrets", { secrets: ["TOKEN"] });
    assert.equal(await reasonOf(secrets), "invalid-spec");
    const image = await create("image", { image: "nowhere.invalid/none:1", pull: "never" });
    assert.equal(await reasonOf(image), "image-not-found");
    const alone = await create("alone", {}, {});
    assert.equal(await reasonOf(alone), "no-pipeline");
    // Nothing has made room meanwhile.
    assert.equal((await docker.list({ [LABELS.run]: first })).length, 1);

    // The next run takes the room when there is some, after the events that came before its own.
    await server.call("DELETE", `/resources/${TYPE}/first`);
    await run("next", "container-start", "worker");
    for (const id of [secrets, image, alone]) {
      assert.equal(server.results.filter(({ run_id }) => run_id === id).length, 1);
    }
  }));
