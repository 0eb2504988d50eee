import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { type ConveyorServer, startConveyor } from "../support/conveyor-server.ts";
import { eventsTwice } from "../support/conveyor/events-twice.ts";
import { ACK_WAIT_MS, disposable, startDriver } from "../support/fleet.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { objectsOfBroker } from "../support/left-as-it-was.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", "broker");

const TYPE = "flutter-builder";
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

const resource = (name: string, ...commands: string[]) => ({
  name,
  resource: TYPE,
  pipeline: "flutter",
  spec: { repository: remote.current?.url, image: remote.current?.image, commands },
});

/** A driver's program, as somebody types it who already runs a Conveyor server. */
async function driver(server: ConveyorServer, name: string) {
  const flags = [
    "--nats",
    server.nats,
    "--api",
    server.api,
    "--ack-wait",
    `${ACK_WAIT_MS}ms`,
    "--min-free",
    "0",
  ];
  const process = disposable(startDriver(name, flags));
  await process.said(" takes events of ");
  return process;
}

async function definePipeline(server: ConveyorServer): Promise<void> {
  const steps = DRIVERS.map((name) => ({ id: name, name, driver: name }));
  const { status } = await server.call("POST", "/pipelines", { name: "flutter", resource: TYPE, steps });
  assert.equal(status, 201);
}

const resultOf = (server: ConveyorServer, run: string, driver: string) =>
  server.result((one) => one.run_id === run && one.driverresult.driver === driver);

test("the four programs build for a Conveyor server, its log is whole, and they end in peace", async () => {
  await using server = await startConveyor();
  const processes = await Promise.all(DRIVERS.map((name) => driver(server, name)));
  await using all = new AsyncDisposableStack();
  for (const process of processes) all.use(process);
  // Each tells the server what it handles; a pipeline can be made of that then.
  await Promise.all(processes.map((process) => process.said("Registered resource type")));
  await definePipeline(server);
  const run = await server.create(resource("app", "make", "seq 500"));
  assert.equal((await resultOf(server, run, "container-stop")).driverresult.success, true);
  const built = async () =>
    (await server.logs(run)).flatMap(({ driver, message }) => driver === "builder" ? [message] : []);
  while (!(await built()).includes("500"));
  const lines = await built();
  const from = lines.indexOf("1");
  assert.ok(lines.slice(0, from).includes("built"));
  assert.deepEqual(lines.slice(from, from + 500), Array.from({ length: 500 }, (_, i) => String(i + 1)));
  assert.deepEqual(await objectsOfBroker(server.nats), []);
  for (const process of processes) process.kill("SIGTERM");
  assert.deepEqual((await Promise.all(processes.map(({ ended }) => ended))).map(({ code }) => code), [
    0,
    0,
    0,
    0,
  ]);
});

test("a build whose events are all stored twice runs its commands once, with two builders at hand", async () => {
  await using server = await startConveyor();
  await server.call("POST", "/resource-definitions", { name: TYPE, schema: { type: "object" } });
  await definePipeline(server);
  await using _twice = await eventsTwice(server, TYPE);
  await using all = new AsyncDisposableStack();
  for (const process of await Promise.all([...DRIVERS, "builder"].map((name) => driver(server, name)))) {
    all.use(process);
  }
  const run = await server.create(resource("app", "mkdir once", "sleep 0.5; make"));
  assert.equal((await resultOf(server, run, "container-stop")).driverresult.success, true);
  assert.deepEqual(
    server.results.map(({ driverresult: { driver, success } }) => `${driver} ${success}`),
    DRIVERS.map((name) => `${name} true`),
  );
  assert.deepEqual(await objectsOfBroker(server.nats), []);
});

test("a builder that is killed beside a Conveyor server is succeeded by another one, which ends the run and clears it", async () => {
  await using server = await startConveyor();
  await server.call("POST", "/resource-definitions", { name: TYPE, schema: { type: "object" } });
  await definePipeline(server);
  const begun = Promise.withResolvers<void>();
  await using transport = await openNats({ servers: [server.nats] });
  await using _live = await transport.listen("live.logs.*.builder", ({ data }) => {
    if (JSON.parse(Buffer.from(data).toString()).message === "begun") begun.resolve();
  });
  await using _start = await driver(server, "container-start");
  await using _clone = await driver(server, "git-cloner");
  await using killed = await driver(server, "builder");
  const run = await server.create(resource("app", "echo begun; sleep 1000"));
  await begun.promise;
  killed.kill("SIGKILL");
  await killed.ended;
  await using _next = await driver(server, "builder");
  const { driverresult } = await resultOf(server, run, "builder");
  assert.deepEqual([driverresult.success, (driverresult.data as { reason: string }).reason], [
    false,
    "driver-lost",
  ]);
  assert.deepEqual(await objectsOfBroker(server.nats), []);
});
