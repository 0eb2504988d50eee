import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import type { DriverOptions } from "../../lib/driver/program/driver-flags.ts";
import { startDriver } from "../../lib/driver/program/start-driver.ts";
import { temporaryFolder } from "../cli/start-program.ts";
import { within } from "../support/within.ts";

const DRIVER = { name: "waits", resources: ["things"] };

test("startDriver asks Docker without waiting until the driver is loaded", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "docker.sock");
  const asked = Promise.withResolvers<string | undefined>();
  const server = createServer((request) => asked.resolve(request.url)).listen(path);
  await once(server, "listening");
  try {
    const options = { docker: `unix://${path}`, logLevel: "error", logFormat: "text" } as DriverOptions;
    const load = async () => {
      assert.equal(await within(asked.promise, "the question to Docker"), "/info");
      throw new Error("loaded");
    };
    await assert.rejects(startDriver(DRIVER, options, { load }), /^Error: loaded$/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
