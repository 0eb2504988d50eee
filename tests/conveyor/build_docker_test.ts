import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { idleName, LABELS } from "../../lib/build/labels.ts";
import { evictCaches } from "../../lib/build/cache/evict.ts";
import { sweep } from "../../lib/build/sweep.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { registerResources } from "../../lib/driver/conveyor/register-resources.ts";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import { type Driver, StopError } from "../../lib/driver/driver.ts";
import { askEngine } from "../../lib/driver/host/run-state.ts";
import { keepHouse } from "../../lib/driver/host/housekeeping.ts";
import type { GoLog } from "../support/conveyor/go.ts";
import { makeRepository } from "../cli/git-repository.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { objectsOf, stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type ConveyorStage, openStage } from "./stage.ts";
import { patience } from "../support/within.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

const TYPE = "flutter-builder";
const FOUR = [containerStart, gitCloner, builder, containerStop];
const NAMES = FOUR.map(({ name }) => name);

/**
 * A server with the four drivers and their pipeline `flutter`, on the machine's daemon, where nothing of
 * theirs is left.
 */
async function withDrivers(
  work: (stage: ConveyorStage, docker: Docker, owner: string) => Promise<void>,
  { newer = false, drivers = FOUR }: { newer?: boolean; drivers?: readonly Driver[] } = {},
): Promise<void> {
  await using docker = testDocker();
  const owner = `test-${randomUUID()}`;
  try {
    await using stage = await openStage({ drivers, newer, docker, owner });
    const signal = patience();
    await registerResources(containerStart, { api: stage.server.api, credentials: {}, signal });
    await stage.pipeline("flutter", TYPE, NAMES);
    await work(stage, docker, owner);
    assert.deepEqual(await objectsOf(owner), []);
  } finally {
    await sweep(docker, { owner, isAlive: () => false, signal: patience() });
  }
}

async function logsOf(
  { server }: ConveyorStage,
  run: string,
  isAll: (logs: GoLog[]) => boolean,
): Promise<GoLog[]> {
  for (;;) {
    const logs = await server.logs(run);
    if (isAll(logs)) return logs;
  }
}

/** The daemon, at a time of our choice. */
function at(docker: Docker, now: number): Docker {
  return Object.create(docker, { now: { value: () => Promise.resolve(now) } });
}

const ours = (docker: Docker, owner: string) => docker.list({ [LABELS.owner]: owner });

for (const newer of [false, true]) {
  test(`the four drivers build a repository for a ${newer ? "newer" : "present"} Conveyor server, and leave nothing`, () =>
    withDrivers(async (stage, docker, owner) => {
      await using app = await temporaryFolder();
      makeRepository(app.path, { "hello.txt": "hello\n" });
      const run = await stage.server.create({
        name: "app",
        resource: TYPE,
        pipeline: "flutter",
        spec: {
          repository: app.path,
          image: TEST_IMAGE,
          env: [{ name: "GREETING", value: "<hello> & good bye" }],
          commands: ["seq 1 2000", 'echo "$GREETING"', "cp hello.txt copy.txt"],
          artifacts: ["copy.txt"],
        },
      });
      const { success, message } = await stage.result(run, "container-stop");
      assert.deepEqual([success, message], [true, "Removed the container"]);
      assert.deepEqual(await ours(docker, owner), []);

      const logs = await logsOf(
        stage,
        run,
        (some) => some.some(({ message }) => message.includes("copy.txt (")),
      );
      const built = logs.filter(({ driver }) => driver === "builder").map(({ message }) => message);
      const from = built.indexOf("1");
      assert.deepEqual(built.slice(from, from + 2000), Array.from({ length: 2000 }, (_, i) => String(i + 1)));
      assert.ok(built.indexOf("<hello> & good bye") > from + 1999);
      assert.deepEqual(
        [...new Set(logs.map(({ driver }) => driver))].toSorted(),
        NAMES.slice(0, 3).toSorted(),
      );

      const { data } = await stage.result(run, "builder");
      const [artifact] = (data as { artifacts: { name: string; size: number }[] }).artifacts;
      assert.deepEqual([artifact?.name, artifact?.size], ["copy.txt", 6]);
      const connection = await connectNats({ servers: [stage.server.nats] });
      await using _connection = { [Symbol.asyncDispose]: () => connection.close() };
      const bucket = await new Objm(jetstream(connection)).open("artifacts");
      assert.deepEqual((await bucket.list()).map(({ size }) => size), [6]);
      assert.deepEqual(stage.server.lost, []);
    }, { newer }));
}

test("a build for a Conveyor server has its service, and its cache is there for the next one", () =>
  withDrivers(async (stage, docker, owner) => {
    await using app = await temporaryFolder();
    makeRepository(app.path, { "lock.json": "1\n" });
    const listen = "my $s = IO::Socket::INET->new(LocalPort => 5432, Listen => 9) or die; $s->accept while 1";
    const spec = {
      repository: app.path,
      image: TEST_IMAGE,
      network: "none",
      cache: [{ name: "kept", path: "/var/cache/kept", key: { files: ["*.json"] } }],
      services: [{
        name: "db",
        image: TEST_IMAGE,
        command: ["perl", "-MIO::Socket", "-e", listen],
        ports: [5432],
      }],
      commands: [["bash", "-c", "exec 3<>/dev/tcp/db/5432; ls /var/cache/kept; touch /var/cache/kept/found"]],
    };
    for (const name of ["first", "second"]) {
      const run = await stage.server.create({ name, resource: TYPE, pipeline: "flutter", spec });
      assert.equal((await stage.result(run, "container-stop")).success, true);
      const logs = await logsOf(
        stage,
        run,
        (some) => some.some(({ message }) => message.startsWith("Done in")),
      );
      assert.equal(logs.some(({ message }) => message === "found"), name === "second", JSON.stringify(logs));
    }
    await evictCaches(docker, { maxBytes: 0, maxAgeMs: undefined }, { owner, signal: patience() });
  }));

test("a step that fails has cleared the container before its result is there", () =>
  withDrivers(async (stage, docker, owner) => {
    await using app = await temporaryFolder();
    makeRepository(app.path, { "a.txt": "a\n" });
    const spec = { repository: app.path, image: TEST_IMAGE, commands: ["true", "exit 3"] };
    const failing = await stage.server.create({ name: "builds", resource: TYPE, pipeline: "flutter", spec });
    const built = await stage.result(failing, "builder");
    assert.deepEqual([built.success, (built.data as { reason: string }).reason], [false, "command-failed"]);
    assert.deepEqual(await ours(docker, owner), []);
    const unknown = await stage.server.create({
      name: "clones",
      resource: TYPE,
      pipeline: "flutter",
      spec: { ...spec, ref: "no-such-branch" },
    });
    const cloned = await stage.result(unknown, "git-cloner");
    assert.deepEqual([cloned.success, (cloned.data as { reason: string }).reason], [false, "ref-not-found"]);
    assert.deepEqual(await ours(docker, owner), []);
  }));

test("a step that takes longer than its run may fails as timeout although no server watches it, and nothing is left", () =>
  withDrivers(async (stage, docker, owner) => {
    await using app = await temporaryFolder();
    makeRepository(app.path, { "a.txt": "a\n" });
    const spec = { repository: app.path, image: TEST_IMAGE, timeout: 3, commands: ["sleep 1000"] };
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "flutter", spec });
    const { driverresult } = await stage.server.result((one) =>
      one.run_id === run && !one.driverresult.success
    );
    assert.deepEqual(driverresult.data, { reason: "timeout" });
    assert.deepEqual(await ours(docker, owner), []);
  }));

test("the time of a run counts from its container, whichever step it is at", () =>
  withDrivers(async (stage, docker, owner) => {
    await stage.pipeline("start-only", TYPE, ["container-start"]);
    const spec = { repository: "https://example.invalid/app.git", image: TEST_IMAGE, timeout: "1h" };
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "start-only", spec });
    await stage.result(run, "container-start");
    const container = await docker.inspect(idleName(run));
    const [own] = await docker.processes(container?.id ?? "");
    assert.ok(own?.seconds !== undefined && own.seconds < 60);
    const old = { ...own, command: "sleep 2147483647", seconds: 3600 };
    const later = { ...docker, processes: () => Promise.resolve([old]) };
    const context = stepContext(later, spec, { run, claimed: false, settings: testSettings({ owner }) });
    await assert.rejects(gitCloner.reconcile(context), /timeout/);
    assert.deepEqual(await ours(docker, owner), []);
  }));

test("a step whose driver is stopped leaves the container to the driver that goes on with it", () =>
  withDrivers(async (stage, docker, owner) => {
    await using app = await temporaryFolder();
    makeRepository(app.path, { "a.txt": "a\n" });
    await stage.pipeline("start-only", TYPE, ["container-start"]);
    const spec = { repository: app.path, image: TEST_IMAGE };
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "start-only", spec });
    await stage.result(run, "container-start");
    const stopped = { run, claimed: false, settings: testSettings({ owner }) };
    const signal = AbortSignal.abort(new StopError("shutdown"));
    await assert.rejects(gitCloner.reconcile(stepContext(docker, spec, { ...stopped, signal })), /shutdown/);
    assert.equal((await ours(docker, owner)).length, 1);
    assert.equal((await gitCloner.reconcile(stepContext(docker, spec, stopped))).success, true);
    const cancelled = AbortSignal.abort(new StopError("timeout"));
    await assert.rejects(
      gitCloner.reconcile(stepContext(docker, spec, { ...stopped, signal: cancelled })),
      /timeout/,
    );
    assert.deepEqual(await ours(docker, owner), []);
  }));

test("a resource without a pipeline reaches all four drivers at once, and none of them starts anything", () =>
  withDrivers(async (stage, docker, owner) => {
    const run = await stage.server.create({
      name: "app",
      resource: TYPE,
      spec: { repository: "https://example.invalid/app.git", image: TEST_IMAGE },
    });
    const results = await Promise.all(NAMES.map((name) => stage.result(run, name)));
    const said = results.map(({ success, data }) => [success, (data as { reason: string }).reason]);
    assert.deepEqual(said, Array(4).fill([false, "no-pipeline"]));
    const told = async () =>
      (await stage.server.logs(run)).filter(({ message }) =>
        /^Failed \(no-pipeline\): .*"app"/.test(message)
      );
    while ((await told()).length < 4);
    assert.deepEqual((await told()).map(({ driver }) => driver).sort(), [...NAMES].sort());
    assert.deepEqual(await ours(docker, owner), []);
  }));

test("deleting a resource without a pipeline reaches all four drivers too, and none of them refuses it", () =>
  withDrivers(async (stage) => {
    const spec = { repository: "https://example.invalid/app.git", image: TEST_IMAGE };
    const created = await stage.server.create({ name: "app", resource: TYPE, spec });
    await Promise.all(NAMES.map((name) => stage.result(created, name)));
    await stage.server.call("DELETE", `/resources/${TYPE}/app`);
    const results = await Promise.all(
      NAMES.map((name) =>
        stage.server.result(({ run_id, driverresult: { driver } }) => run_id !== created && driver === name)
      ),
    );
    assert.deepEqual(results.map(({ driverresult: { success } }) => success), Array(4).fill(true));
  }, { newer: true }));

test("deleting a resource skips the first three steps and removes the containers of all its runs", () =>
  withDrivers(async (stage, docker, owner) => {
    await stage.pipeline("start-only", TYPE, ["container-start"]);
    const resource = {
      name: "app",
      resource: TYPE,
      spec: { repository: "https://example.invalid/app.git", image: TEST_IMAGE },
    };
    const path = `/resources/${TYPE}/app`;
    const first = await stage.server.create({ ...resource, pipeline: "start-only" });
    await stage.result(first, "container-start");
    const { body } = await stage.server.call("PUT", path, { ...resource, pipeline: "start-only" });
    const second = (body as { runid: string }).runid;
    await stage.result(second, "container-start");
    assert.deepEqual(
      (await ours(docker, owner)).map(({ name }) => name).toSorted(),
      [first, second].map(idleName).toSorted(),
    );
    // What deletes is the pipeline that the resource has by then.
    await stage.pipeline("start-only", TYPE, NAMES);
    await stage.server.call("DELETE", path);
    const stopped = await stage.server.result(({ driverresult: { driver } }) => driver === "container-stop");
    assert.deepEqual([stopped.driverresult.success, stopped.driverresult.message], [
      true,
      'Removed 2 containers of "app"',
    ]);
    const skipped = stage.server.results.filter(({ run_id }) => run_id === stopped.run_id);
    assert.deepEqual(
      skipped.map((
        { driverresult: { driver, data } },
      ) => [driver, (data as { skipped?: boolean } | null)?.skipped]),
      [...NAMES.slice(0, 3).map((name) => [name, true]), ["container-stop", undefined]],
    );
    assert.deepEqual(await ours(docker, owner), []);
  }, { newer: true }));

test("a container whose drivers were lost stays until it expires, and then any container-start removes it", () =>
  withDrivers(async (stage, docker, owner) => {
    await stage.pipeline("start-only", TYPE, ["container-start"]);
    const run = await stage.server.create({
      name: "app",
      resource: TYPE,
      pipeline: "start-only",
      spec: { repository: "https://example.invalid/app.git", image: TEST_IMAGE, timeout: "10m" },
    });
    await stage.result(run, "container-start");
    const [container] = await ours(docker, owner);
    const expires = Number(container?.labels[LABELS.expires]);
    assert.equal(container?.name, idleName(run));

    /**
     * One look after the host, by another instance, at that time of the daemon. Beside a Conveyor server
     * nobody answers it.
     */
    const tendAt = async (now: number) => {
      const looked = new AbortController();
      const once: Driver<BuildPolicy> = {
        ...containerStart,
        housekeep: async (host) => {
          await containerStart.housekeep?.(host);
          looked.abort();
        },
      };
      const settings = testSettings({ owner });
      await keepHouse(once, {
        docker: at(docker, now),
        askRun: askEngine(stage.transport, "container-start"),
        settings,
        policy: testPolicy(),
        signal: looked.signal,
      });
    };
    await tendAt(expires - 1);
    assert.equal((await ours(docker, owner)).length, 1);
    await tendAt(expires + 1);
    assert.deepEqual(await ours(docker, owner), []);
    assert.deepEqual(await docker.volumes({ [LABELS.owner]: owner }), []);
  }));
