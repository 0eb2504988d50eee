import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { BrokerAwayError } from "../../lib/backend/nats/connection.ts";
import type { DriverOptions } from "../../lib/driver/program/driver-flags.ts";
// Loaded before, so that loading it gives no question the time to be sent.
import "../../lib/driver/program/run-driver.ts";
import { startDriver } from "../../lib/driver/program/start-driver.ts";
import { temporaryFolder } from "../cli/start-program.ts";
import { paced } from "../support/pace.ts";
import { within } from "../support/within.ts";

const DRIVER = { name: "waits", resources: ["things"], reconcile: () => assert.fail("there is no event") };

test("startDriver has sent its question to Docker before the driver is loaded, and then asks the broker", async () => {
  await using folder = await temporaryFolder();
  const socket = join(folder.path, "docker.sock");
  const count = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(new URL("asked-first.ts", import.meta.url), { workerData: { socket, count } });
  try {
    const [broker] = await within(once(thread, "message"), "the broker's address") as [AddressInfo];
    const events: string[] = [];
    const asked = Promise.withResolvers<void>();
    thread.on("message", (what: string) => {
      events.push(what);
      if (what === "broker") asked.resolve();
    });
    const options = {
      docker: `unix://${socket}`,
      nats: [`nats://127.0.0.1:${broker.port}`],
      wait: 0,
      concurrency: 1,
      logLevel: "error",
      logFormat: "text",
    } as unknown as DriverOptions;
    const load = () => {
      // Nothing of this thread can be sent meanwhile: what has come was sent before.
      assert.notEqual(Atomics.wait(count, 0, 0, paced(20_000)), "timed-out", "Docker was not asked");
      assert.equal(Atomics.load(count, 0), 1);
      return Promise.resolve(DRIVER);
    };
    await assert.rejects(startDriver(DRIVER, options, { load }), BrokerAwayError);
    await within(asked.promise, "the question to the broker");
    assert.deepEqual([...new Set(events)], ["GET /info", "broker"]);
  } finally {
    await thread.terminate();
  }
});
