import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { noFaults } from "../../lib/base/faults.ts";
import { startDrivers } from "../../lib/cli/up/start-drivers.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { testSettings } from "../support/settings.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { within } from "../support/within.ts";

test("startDrivers ends when it is told to, also while the broker is away", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const stopping = new AbortController();
  const reason = new Error("SIGTERM");
  const ensureConsumer: Transport["ensureConsumer"] = () => {
    stopping.abort(reason);
    return Promise.reject(new Retryable("The broker is away", { reason: "transport-unreachable" }));
  };
  const driver = {
    name: "test",
    resources: ["test"],
    usesDocker: false,
    reconcile: () => Promise.reject(new Error("No step was sent")),
  };
  const starting = startDrivers(["test"], {
    drivers: { test: () => Promise.resolve(driver) },
    transport: { ...embedded.transport, ensureConsumer },
    docker: {} as Docker,
    settings: testSettings({ graceMs: 1 }),
    policyFor: () => Promise.resolve(undefined),
    ackWaitMs: 1000,
    faultPoint: noFaults,
    stop: stopping.signal,
  });
  await assert.rejects(within(starting, "the end"), reason);
});
