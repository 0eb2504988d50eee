import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { runtime } from "../cli/start-program.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { controlPlane } from "../support/control-plane.ts";
import { disposable, openFleet, startDriver } from "../support/fleet.ts";
import { paced } from "../support/pace.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { objectsOf } from "../support/step-context.ts";
import { FAULTS as ALL_FAULTS } from "../support/fault-points.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", "broker");

/** container-start dies before its container is there, with it, and with its result on the way. */
const FAULTS = ALL_FAULTS["container-start"];

/** Soon over, since each that dies is waited for. */
const ACK_WAIT_MS = paced(1000);

const TYPE = "flutter-builder";
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

/** As many builds as there are points, and a container-start that is killed at each and started again. */
async function killedAtEachPoint(slots: string): Promise<void> {
  await using fleet = await openFleet({ ackWaitMs: ACK_WAIT_MS });
  const { url: repository, image } = remote.current ?? {};
  await Promise.all(
    ["git-cloner", "builder", "container-stop"].map((name) => fleet.driver(name, ["--slots", slots])),
  );
  const runs = await Promise.all(
    FAULTS.map(() => fleet.submit({ repository, image, commands: ["echo once"] })),
  );
  for (const fault of FAULTS) {
    const doomed = fleet.doomed("container-start", ["--slots", slots], { CONVEYOR_FAULT: fault });
    assert.equal((await doomed.ended).code, 137, fault);
  }
  await fleet.driver("container-start", ["--slots", slots]);
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(ends.map(({ outcome, reason }) => reason ?? outcome), FAULTS.map(() => "succeeded"));
  assert.deepEqual(await objectsOf(fleet.owner), []);
}

/** The same in one process with the control plane, and one slot. */
async function killedWithPlane(): Promise<void> {
  const { url = "", image = "" } = remote.current ?? {};
  await using plane = await controlPlane("--ack-wait", `${ACK_WAIT_MS}ms`, "--slots", "1", "--grace", "1s");
  const points = ["container-created", "container-started", "reconciled", "logged", "result-published"];
  const first = await plane.start({ flags: ["--drivers", "none"] });
  const submitted = points.map(() => plane.submit("--image", image, "--pull", "never", url));
  await Promise.all(submitted.map((one) => one.said('"type":"run"')));
  first.kill("SIGKILL");
  await first.ended;
  for (const point of points) {
    const doomed = plane.doomed({ CONVEYOR_FAULT: `${point}@container-start` });
    assert.equal((await doomed.ended).code, 137, doomed.output());
  }
  const up = await plane.start();
  for (const { ended } of submitted) assert.equal((await ended).code, 0, up.output());
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
}

/** As `killedAtEachPoint`, beside a Conveyor server, which answers no claims. */
async function killedBesideConveyor(slots: string): Promise<void> {
  await using server = await startConveyor();
  const { url: repository, image } = remote.current ?? {};
  await server.call("POST", "/resource-definitions", { name: TYPE, schema: { type: "object" } });
  const steps = DRIVERS.map((name) => ({ id: name, name, driver: name }));
  await server.call("POST", "/pipelines", { name: "flutter", resource: TYPE, steps });
  await using started = new AsyncDisposableStack();
  const start = (name: string, env: Record<string, string> = {}) => {
    const flags = [
      "--nats",
      server.nats,
      "--api",
      server.api,
      "--ack-wait",
      `${ACK_WAIT_MS}ms`,
      "--slots",
      slots,
    ];
    return started.use(disposable(startDriver(name, [...flags, "--min-free", "0"], env)));
  };
  await Promise.all(DRIVERS.slice(1).map((name) => start(name).said(" takes events of ")));
  const [first = ""] = FAULTS;
  const doomed = { current: start("container-start", { CONVEYOR_FAULT: first }) };
  await doomed.current.said(" takes events of ");
  const runs = await Promise.all(FAULTS.map((name) =>
    server.create({
      name,
      resource: TYPE,
      pipeline: "flutter",
      spec: { repository, image, commands: ["echo once"] },
    })
  ));
  for (const fault of FAULTS.slice(1)) {
    assert.equal((await doomed.current.ended).code, 137, fault);
    doomed.current = start("container-start", { CONVEYOR_FAULT: fault });
  }
  assert.equal((await doomed.current.ended).code, 137);
  start("container-start");
  for (const run of runs) {
    const { driverresult } = await server.result((one) =>
      one.run_id === run && (one.driverresult.driver === "container-stop" || !one.driverresult.success)
    );
    assert.equal(driverresult.success, true, `${driverresult.driver}: ${driverresult.message}`);
  }
  await using transport = await openNats({ servers: [server.nats] });
  assert.deepEqual(await objectsOf((await transport.owner()).owner), []);
}

/**
 * A single slot and several: each runtime has the one in a fleet of ours and the other beside a Conveyor
 * server.
 */
const [slots, others] = runtime === "bun" ? ["1", "2"] : ["2", "1"];

// At the same time, since most of it is waiting for what is silent.
test("a container-start that is killed at any point keeps no build waiting for what it left, in a fleet and in one process", async () => {
  await Promise.all([killedAtEachPoint(slots), killedWithPlane()]);
});

test("a container-start that is killed at any point keeps no build waiting for what it left, beside a Conveyor server", async () => {
  await killedBesideConveyor(others);
});
