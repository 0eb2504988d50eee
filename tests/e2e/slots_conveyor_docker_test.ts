import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { runtime } from "../cli/start-program.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { FAULTS as ALL_FAULTS, halvesOf } from "../support/fault-points.ts";
import { disposable, startDriver } from "../support/fleet.ts";
import { needing } from "../support/needs.ts";
import { paced } from "../support/pace.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { objectsOf } from "../support/step-context.ts";

const { after, before, test } = needing("Docker", "broker");

/** container-start dies before its container is there, with it, and with its result on the way. */
const HALVES = halvesOf(ALL_FAULTS["container-start"]);

/** Soon over, since each that dies is waited for. */
const ACK_WAIT_MS = paced(1000);
/** Several slots and a single one: in a fleet of ours Bun has both, and Deno several. */
const SLOTS = runtime === "bun" ? "2" : "1";

const TYPE = "flutter-builder";
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

/**
 * As many builds as there are points, and a container-start that is killed at each and started again. The
 * server answers no claims.
 */
async function killedAtEach(points: readonly string[]): Promise<void> {
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
      SLOTS,
    ];
    return started.use(disposable(startDriver(name, [...flags, "--min-free", "0"], env)));
  };
  await Promise.all(DRIVERS.slice(1).map((name) => start(name).said(" takes events of ")));
  const [first = ""] = points;
  const doomed = { current: start("container-start", { CONVEYOR_FAULT: first }) };
  await doomed.current.said(" takes events of ");
  const runs = await Promise.all(points.map((name) =>
    server.create({
      name,
      resource: TYPE,
      pipeline: "flutter",
      spec: { repository, image, commands: ["echo once"] },
    })
  ));
  for (const fault of points.slice(1)) {
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

for (const [i, points] of HALVES.entries()) {
  test(`a container-start that is killed at any point keeps no build waiting for what it left, beside a Conveyor server (${i + 1})`, () =>
    killedAtEach(points));
}
