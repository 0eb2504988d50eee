import assert from "node:assert/strict";
import { test } from "node:test";
import { Garbage } from "../../lib/base/garbage.ts";
import type { OutputChunk } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { frame, startFakeDaemon, UPGRADED } from "./fake-daemon.ts";
import { execWith, type Handle } from "./stage.ts";

const MIB = 1024 ** 2;

/** Prints half as much as is collected at once, and a little more. */
const print: Handle = ({ socket }) => {
  const megabyte = Buffer.from(frame("x".repeat(MIB)), "latin1");
  socket.write(UPGRADED);
  for (let i = 0; i < 33; i++) socket.write(megabyte);
  socket.end();
};

async function read(output: AsyncIterable<OutputChunk>): Promise<void> {
  let length = 0;
  for await (const { data } of output) length += data.length;
  assert.equal(length, 33 * MIB);
}

test("Docker's garbage is collected for the output of its processes and containers together", async () => {
  const handle: Handle = (request, daemon) =>
    request.line.includes("/attach?") ? print(request, daemon) : execWith(print)(request, daemon);
  await using daemon = await startFakeDaemon(handle);
  let collected = 0;
  const garbage = new Garbage({ collect: () => collected++, heapBytes: () => 0 });
  await using docker = connectDocker(daemon.endpoint, { garbage });
  await read((await docker.exec("abc", { command: ["x"] })).output);
  assert.equal(collected, 0);
  await read((await docker.attach("abc")).output);
  assert.equal(collected, 1);
});
