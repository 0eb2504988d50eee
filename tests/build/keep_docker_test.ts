import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { testPolicy } from "../support/settings.ts";
import { build } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("beside a Conveyor server, the driver that fails leaves the container for a look where the spec and the operator want it", async () => {
  await build({ keep: "failure", commands: ["false"] }, async ({ step, container }) => {
    const refused = await step(containerStart);
    assert.equal(refused.failure?.reason, "invalid-spec");
    const allowing = { policy: testPolicy({ allowKeep: true }), claimed: false };
    assert.ok((await step(containerStart, allowing)).result?.success);
    assert.equal((await step(builder, allowing)).failure?.reason, "command-failed");
    const { lines, result } = await step(containerStop, { ...allowing, results: {} });
    assert.equal(result?.message, "Removed the container", "of a run that has not failed");
    assert.deepEqual(lines, []);
    assert.ok((await step(containerStart, allowing)).result?.success);
    const failed = await step(builder, allowing);
    assert.match(
      failed.lines.at(-1) ?? "",
      /^system The container is kept, on host test-host\. Enter it: docker exec/,
    );
    execFileSync("docker", ["rm", "-fv", container]);
  });
});
