import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { isKept, keepRunning, keptSeconds } from "../../lib/build/keep-running.ts";
import { type DaemonInfo, type Docker, DockerError, type ImageInfo } from "../../lib/docker/docker.ts";
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

test("keepRunning tells a start that Docker refuses, and lets go of the container's output", async () => {
  const starting = async (error: Error, architecture = "arm64") => {
    let isAttached = true;
    const docker = {
      attach: () => Promise.resolve({ output: [], detach: () => isAttached = false }),
      start: () => Promise.reject(error),
    } as unknown as Docker;
    const context = { docker, signal: new AbortController().signal } as BuildContext;
    const [image, daemon] = [{ architecture } as ImageInfo, { architecture: "amd64" } as DaemonInfo];
    const thrown = await keepRunning(context, "c", "image", { image, daemon }).catch((thrown) => thrown);
    assert.equal(isAttached, false);
    return thrown;
  };
  const refused = new DockerError("exec format error", { status: 400 });
  const other = await starting(refused);
  assert.deepEqual([other.reason, other.message, other.cause], [
    "container-failed",
    "Cannot start the container: exec format error (the image is for arm64, and Docker runs on amd64)",
    refused,
  ]);
  assert.equal(
    (await starting(refused, "amd64")).message,
    "Cannot start the container: exec format error",
  );
  const fault = new TypeError("ours");
  assert.equal(await starting(fault), fault);
});

const KEEPER = { command: "sleep 2147483647", isKilled: false, seconds: 7 };

/**
 * A daemon that answers with these lists of processes, one after the other; undefined: it cannot list them.
 */
function listing(state: string, ...lists: (object[] | undefined)[]) {
  const docker = {
    processes: () => {
      const list = lists.shift();
      return list ? Promise.resolve(list) : Promise.reject(new DockerError("ending", { status: 500 }));
    },
    inspect: () => Promise.resolve({ state }),
  } as unknown as Docker;
  const { signal } = new AbortController();
  return {
    lists,
    isKept: () => isKept(docker, { id: "c" }, signal),
    seconds: () => keptSeconds(docker, { id: "c" }, signal),
  };
}

test("isKept looks for the process that keeps a container, which was not killed", async () => {
  assert.equal(await listing("running", [{ ...KEEPER, command: "make" }, KEEPER]).isKept(), true);
  assert.equal(await listing("running", [{ ...KEEPER, isKilled: true }]).isKept(), false);
  assert.equal(await listing("running", [{ ...KEEPER, command: "sleep 12147483647" }]).isKept(), false);
  assert.equal(await listing("running", []).isKept(), false);
  assert.equal(await listing("running", [KEEPER]).seconds(), 7);
  assert.equal(await listing("running", []).seconds(), undefined);
});

test("isKept asks a daemon again that cannot list processes which are just ending, but not for ever", async () => {
  const again = listing("running", undefined, undefined, [KEEPER]);
  assert.equal(await again.isKept(), true);
  assert.deepEqual(again.lists, []);
  assert.equal(await listing("exited", undefined, [KEEPER]).isKept(), false);
  await assert.rejects(listing("running").isKept(), /ending/);
});
