import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { TYPE } from "../engine/support/runs.ts";
import { type Cable, cable } from "../support/cable.ts";
import { type ConveyorServer, startConveyor } from "../support/conveyor-server.ts";
import { ACK_WAIT_MS, type Fleet, openFleet } from "../support/fleet.ts";
import { leaseEnds } from "../support/lease.ts";
import { testSettings } from "../support/settings.ts";
import { testDocker } from "../support/step-context.ts";
import { moment, until } from "../support/until.ts";
import { pipelineOf, worker } from "../support/worker.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("broker");

const parts: { fleet?: Fleet; server?: ConveyorServer } = {};
before(async () => {
  [parts.fleet, parts.server] = await Promise.all([openFleet(), startConveyor()]);
  await parts.server.call("POST", "/resource-definitions", { name: TYPE, schema: { type: "object" } });
});
after(async () => {
  await Promise.all([parts.fleet?.[Symbol.asyncDispose](), parts.server?.[Symbol.asyncDispose]()]);
});

/**
 * How long a driver is cut off: until it has tried to come back, or until nobody waits for a sign of its life
 * any more.
 */
const CUTS: Record<string, (wire: Cable, broker: string) => Promise<void>> = {
  "before its lease ends": (wire) => until(() => wire.refused > 0, "it tries to come back"),
  "after its lease has ended": (_, broker) => leaseEnds(broker, ACK_WAIT_MS),
};

/** Writes a line every few milliseconds: before, during and after the time in which it is cut off. */
function chatty(broker: string, begun: () => void, mended: Promise<void>) {
  const attempts: number[] = [];
  const written: string[] = [];
  const work = async ({ attempt, log, signal }: Context): Promise<DriverResult> => {
    attempts.push(attempt);
    const say = async (text: string) => {
      written.push(text);
      await log.write("stdout", new TextEncoder().encode(`${text}\n`));
    };
    await say("begun");
    begun();
    let isMended = false;
    void mended.then(() => isMended = true);
    for (let i = 1; !isMended; i++) {
      signal.throwIfAborted();
      await say(`line ${i}`);
      await moment();
    }
    // Long enough for whoever would take the step over to do so.
    await leaseEnds(broker, ACK_WAIT_MS / 2);
    signal.throwIfAborted();
    await say("mended");
    return { success: true, message: "done", data: null };
  };
  return { attempts, written, work };
}

async function cutOff(when: string, wire: Cable, broker: string, begun: Promise<void>): Promise<void> {
  await begun;
  wire.cut();
  await CUTS[when]?.(wire, broker);
  wire.mend();
}

/** With an engine of ours, whose claims count attempts. */
async function withClaims(when: string): Promise<void> {
  const { fleet } = parts;
  assert.ok(fleet);
  await using wire = await cable(fleet.server.port);
  const begun = Promise.withResolvers<void>();
  const mended = Promise.withResolvers<void>();
  const { attempts, written, work } = chatty(fleet.server.url, begun.resolve, mended.promise);
  // A hand is free for the event, should it come again.
  await using _far = await worker(fleet, "cut", work, { servers: [wire.url], concurrency: 2 });
  const run = await fleet.submit({}, pipelineOf("cut"));
  await cutOff(when, wire, fleet.server.url, begun.promise);
  mended.resolve();
  const { outcome } = await run.ended;
  assert.deepEqual([outcome, attempts], ["succeeded", [1]]);
  // The engine may say that it is silent.
  const lines = run.events.flatMap((event) =>
    event.type === "log" && event.stream !== "system" ? [event.message] : []
  );
  assert.deepEqual(lines, written);
}

/** Beside a Conveyor server, which knows no claims. */
async function withoutClaims(when: string, exclusive: boolean): Promise<void> {
  const { server } = parts;
  assert.ok(server);
  await using wire = await cable(Number(new URL(server.nats).port));
  await using transport = await openNats({ servers: [wire.url] });
  await using docker = testDocker();
  const begun = Promise.withResolvers<void>();
  const mended = Promise.withResolvers<void>();
  const { attempts, written, work } = chatty(server.nats, begun.resolve, mended.promise);
  const name = `cut-${exclusive}-${Object.keys(CUTS).indexOf(when)}`;
  await using instance = startInstance({
    driver: { name, resources: [TYPE], exclusive, reconcile: work },
    transport,
    docker,
    settings: testSettings(),
    ackWaitMs: ACK_WAIT_MS,
    concurrency: 2,
  });
  await instance.ready;
  const steps = [{ id: "1", name, driver: name }];
  await server.call("POST", "/pipelines", { name, resource: TYPE, steps });
  const run = await server.create({ name, resource: TYPE, pipeline: name, spec: {} });
  await cutOff(when, wire, server.nats, begun.promise);
  mended.resolve();
  await server.result(({ run_id }) => run_id === run);
  await until(() => instance.inHand === 0, "it has let go");
  const results = server.results.filter(({ run_id }) => run_id === run);
  assert.deepEqual([results.map(({ driverresult }) => driverresult.message), attempts], [["done"], [1]]);
  const lines = async () => (await server.logs(run)).map(({ message }) => message);
  await until(async () => (await lines()).at(-1) === "mended", "the last line is stored");
  assert.deepEqual(await lines(), written);
}

for (const when of Object.keys(CUTS)) {
  test(`drivers that are cut off and back ${when}, with nobody else there, have one result each and their log whole`, async () => {
    await Promise.all([withClaims(when), withoutClaims(when, true), withoutClaims(when, false)]);
  });
}
