import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { keepRunning } from "../../lib/build/keep-running.ts";
import type { DaemonInfo, Docker, ImageInfo } from "../../lib/docker/docker.ts";
import type { BuildContext } from "../../lib/build/policy.ts";

/** Waits for a container that says this, piece by piece, and then ends. */
async function kept(...pieces: string[]): Promise<void> {
  const output = (async function* () {
    for (const piece of pieces) yield { stream: "stdout" as const, data: Buffer.from(piece) };
  })();
  const docker = {
    attach: () => Promise.resolve({ output, detach: () => {} }),
    start: () => Promise.resolve(),
    inspect: () => Promise.resolve({}),
    exists: () => Promise.resolve(true),
  } as unknown as Docker;
  const context = { docker, signal: new AbortController().signal } as BuildContext;
  const machine = { architecture: "x" };
  await keepRunning(context, "c", "image", { image: machine as ImageInfo, daemon: machine as DaemonInfo });
}

test("keepRunning hears that a container is ready however much its image says before", async () => {
  await kept("conveyor: ready\n");
  await kept("x".repeat(5000), "y".repeat(5000), "\nconveyor: ready\n");
  await kept("x".repeat(5000), "conveyor:", " rea", "dy\n");
});

test("keepRunning tells what a container said first that is never ready, up to 2,000 bytes", async () => {
  await assert.rejects(kept("no shell here\n", "x".repeat(5000)), (error: Error) => {
    assert.match(error.message, /cannot run \/bin\/sh, .*: no shell here/);
    assert.ok(error.message.length < 2200);
    return true;
  });
});
