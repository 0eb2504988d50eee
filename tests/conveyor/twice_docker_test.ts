import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { sweep } from "../../lib/build/sweep.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import { cable } from "../support/cable.ts";
import { eventsTwice } from "../support/conveyor/events-twice.ts";
import { imageWithScript } from "../support/derived-image.ts";
import { remoteHelper, remoteRepository } from "../support/remote-repository.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { testDocker } from "../support/step-context.ts";
import { type ConveyorStage, openStage } from "./stage.ts";
import { until } from "../support/until.ts";
import { patience } from "../support/within.ts";
import { paced } from "../support/pace.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

const TYPE = "flutter-builder";
const ACK_WAIT_MS = paced(1000);
const FOUR = [containerStart, gitCloner, builder, containerStop];

/**
 * A server with these drivers and the pipeline of all four, on the machine's daemon, where nothing of theirs
 * is left.
 */
async function withDrivers(
  drivers: readonly Driver[],
  work: (stage: ConveyorStage, docker: Docker, owner: string) => Promise<void>,
): Promise<void> {
  await using docker = testDocker();
  const owner = `test-${randomUUID()}`;
  try {
    await using stage = await openStage({ drivers, docker, owner, ackWaitMs: ACK_WAIT_MS });
    await stage.pipeline("flutter", TYPE, FOUR.map(({ name }) => name));
    await work(stage, docker, owner);
    const labels = { [LABELS.owner]: owner };
    const left = [await docker.list(labels), await docker.volumes(labels), await docker.networks(labels)];
    assert.deepEqual(left, [[], [], []]);
  } finally {
    await sweep(docker, { owner, isAlive: () => false, signal: patience() });
  }
}

const resultsOf = ({ server: { results } }: ConveyorStage, run: string) =>
  results.filter(({ run_id }) => run_id === run).map(({ driverresult: { driver, success } }) =>
    `${driver} ${success}`
  );

/** Resolves when no driver has an event left, neither in hand nor put off. */
async function allSettled({ server }: ConveyorStage): Promise<void> {
  const connection = await connectNats({ servers: [server.nats] });
  await using _connection = { [Symbol.asyncDispose]: () => connection.close() };
  const { consumers } = await jetstreamManager(connection);
  for (const { name } of FOUR) {
    for (;;) {
      const { num_pending, num_ack_pending } = await consumers.info("messages", name);
      if (num_pending + num_ack_pending === 0) break;
    }
  }
}

test("two instances of each driver that get every event twice at the same moment build once", () =>
  withDrivers([...FOUR, ...FOUR], async (stage) => {
    await using _twice = await eventsTwice(stage.server, TYPE);
    using remote = remoteRepository();
    const commands = ["mkdir once", "sleep 0.5; make"];
    const spec = { repository: remote.url, image: remote.image, commands };
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "flutter", spec });
    assert.equal((await stage.result(run, "container-stop")).success, true);
    await allSettled(stage);
    assert.deepEqual(resultsOf(stage, run), FOUR.map(({ name }) => `${name} true`));
    const built = (await stage.server.logs(run)).flatMap(({ driver, message }) =>
      driver === "builder" ? [message.replace(/^Done in .*/, "Done")] : []
    );
    assert.deepEqual(built, ["$ mkdir once", "Done", "$ sleep 0.5; make", "built", "Done"]);
  }));

test("a git-cloner that was cut off is ended by the one that takes over, and clears nothing of the run", () =>
  withDrivers([containerStart, builder, containerStop], async (stage, docker, owner) => {
    // The first clone comes to no end, and goes on to write where the second one works.
    const hanging = "mkdir /.conveyor/first 2>/dev/null && while touch stale; do sleep 0.1; done\n";
    using image = imageWithScript("/usr/lib/git-core/git-remote-https", hanging + remoteHelper());
    await using wire = await cable(Number(new URL(stage.server.nats).port));
    await using opened = new AsyncDisposableStack();
    const cloner = async (url: string) => {
      const transport = opened.use(await openNats({ servers: [url] }));
      const settings = testSettings({ owner, graceMs: 5000 });
      const instance = opened.use(
        startInstance({
          driver: gitCloner,
          transport,
          docker,
          settings,
          policy: testPolicy(),
          ackWaitMs: ACK_WAIT_MS,
        }),
      );
      await instance.ready;
      return instance;
    };
    const first = await cloner(wire.url);
    const spec = {
      repository: "https://git.example.org/app.git",
      image: image.name,
      commands: ["sleep 1; ls"],
    };
    const run = await stage.server.create({ name: "app", resource: TYPE, pipeline: "flutter", spec });
    for (;;) {
      const [container] = await docker.list({ [LABELS.run]: run });
      if (container?.state === "running" && await docker.exists(container.id, "/.conveyor/first", {})) break;
    }
    wire.cut();
    await cloner(stage.server.nats);
    const { success } = await stage.result(run, "git-cloner");
    wire.mend();
    assert.equal(success, true);
    assert.equal((await stage.result(run, "container-stop")).success, true);
    await until(() => first.inHand === 0, "the first has let go");
    assert.deepEqual(resultsOf(stage, run), FOUR.map(({ name }) => `${name} true`));
    const lines = (await stage.server.logs(run)).map(({ message }) => message);
    assert.ok(lines.includes("Makefile") && !lines.includes("stale"), lines.join("\n"));
  }));
