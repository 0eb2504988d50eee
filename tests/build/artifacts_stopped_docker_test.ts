import assert from "node:assert/strict";
import { builder } from "../../drivers/builder.ts";
import { aborted } from "../../lib/base/signals.ts";
import { StopError } from "../../lib/driver/driver.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { testPolicy } from "../support/settings.ts";
import { testDocker } from "../support/step-context.ts";
import { checkedOut, settings } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const GIB = 1024 ** 3;
const MAKE = "truncate -s 3G file";
/** Without tar in it, Docker makes an archive, and locks the container until that is read or left. */
const ARCHIVED = `${MAKE}; rm $(command -v tar)`;

/** A store that takes the first bytes of an artifact and then no more, until its signal fires. */
function stuckStore(): { begun: Promise<void>; putArtifact: BuildContext["putArtifact"] } {
  const begun = Promise.withResolvers<void>();
  return {
    begun: begun.promise,
    async putArtifact(_, bytes, { signal } = {}) {
      if (!signal) return assert.fail("no signal");
      for await (const _ of bytes) {
        begun.resolve();
        await aborted(signal);
        throw signal.reason;
      }
      return assert.fail("no bytes");
    },
  };
}

for (const [by, make] of [["the container's tar", MAKE], ["Docker's archive", ARCHIVED]]) {
  test(`a step that is stopped while an artifact comes by ${by} ends what its build left running, without a kill`, async () => {
    await using docker = testDocker();
    const commands = [`${make}; sleep 600 &`];
    await checkedOut({ commands, artifacts: ["file"] }, async ({ step, container }) => {
      const cancel = new AbortController();
      const { begun, putArtifact } = stuckStore();
      const given = { ...settings, graceMs: 600_000, maxArtifactBytes: 4 * GIB };
      const running = step(builder, { putArtifact, signal: cancel.signal, settings: given });
      running.catch(() => {});
      await Promise.race([begun, running]);
      cancel.abort(new Error("cancelled for the test"));
      await assert.rejects(running, /cancelled for the test/);
      assert.equal((await docker.inspect(container))?.state, "running");
      const left = await docker.processes(container);
      assert.deepEqual(left.filter(({ command }) => command === "sleep 600"), []);
    });
  });
}

test("a build whose time is over while an artifact is fetched keeps what is wanted of failures", async () => {
  const artifacts = [{ glob: "file", when: "always" }, { glob: "report", when: "failure" }];
  await checkedOut({ commands: ["truncate -s 64M file; echo bad >report"], artifacts }, async ({ step }) => {
    const time = new AbortController();
    const stuck = stuckStore();
    const kept: Record<string, number> = {};
    const putArtifact: BuildContext["putArtifact"] = async (name, bytes, options) => {
      if (!time.signal.aborted) return await stuck.putArtifact(name, bytes, options);
      let size = 0;
      for await (const chunk of bytes) size += chunk.length;
      kept[name] = size;
      return { size, sha256: "" };
    };
    const running = step(builder, { putArtifact, signal: time.signal });
    running.catch(() => {});
    await Promise.race([stuck.begun, running]);
    time.abort(new StopError("timeout"));
    const { failure } = await running;
    assert.deepEqual([failure?.message, failure?.reason], ["Stopped: timeout", "timeout"]);
    assert.deepEqual((failure?.data.artifacts as { name: string }[]).map(({ name }) => name), [
      "file",
      "report",
    ]);
    assert.deepEqual(kept, { file: 64 * 1024 ** 2, report: 4 });
  });
});

test("a build that takes too much of the disk is ended also while its container is locked for an artifact", async () => {
  await using docker = testDocker();
  await checkedOut({ commands: [ARCHIVED], artifacts: ["file"] }, async ({ step }) => {
    const { begun, putArtifact } = stuckStore();
    let isFetched = false;
    void begun.then(() => isFetched = true);
    const growing: BuildContext["docker"] = {
      ...docker,
      diskBytes: async (...asked) => {
        const bytes = await docker.diskBytes(...asked);
        return isFetched ? 5 * GIB : bytes;
      },
    };
    const { failure } = await step(builder, {
      putArtifact,
      docker: growing,
      policy: testPolicy({ maxDiskBytes: 4 * GIB }),
      settings: { ...settings, maxArtifactBytes: 4 * GIB },
    });
    assert.equal(failure?.reason, "disk-full");
    assert.match(failure?.message ?? "", /takes 5\.0 GiB of disk/);
  });
});
