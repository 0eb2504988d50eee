import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";
import { inContainer, run } from "./real-docker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

function archive(files: Record<string, Buffer>): AsyncIterable<Uint8Array> {
  const tar = pack();
  (async () => {
    for (const [name, content] of Object.entries(files)) {
      await new Promise((resolve) => tar.entry({ name }, content, resolve));
    }
    tar.finalize();
  })();
  return tar as AsyncIterable<Uint8Array>;
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

test("copyIn unpacks an archive of many megabytes, and copyOut gives it back", () =>
  inContainer(async (docker, container) => {
    const content = Buffer.alloc(30_000_000, "some content that does not repeat in the rhythm of a block, ");
    await docker.copyIn(
      container,
      "/workspace",
      archive({ "big file": content, "folder/small": Buffer.from("x") }),
    );
    const { stdout } = await run(
      docker,
      container,
      "md5sum < '/workspace/big file'; cat /workspace/folder/small",
    );
    assert.equal(stdout.toString(), `${md5(content)}  -\nx`);

    const found = new Map<string, Buffer>();
    const entries = Readable.from(await docker.copyOut(container, "/workspace") ?? []).pipe(extract());
    for await (const entry of entries) {
      found.set(entry.header.name, Buffer.concat(await Array.fromAsync(entry as AsyncIterable<Uint8Array>)));
    }
    assert.deepEqual([...found.keys()].sort(), [
      "workspace/",
      "workspace/big file",
      "workspace/folder/",
      "workspace/folder/small",
    ]);
    assert.equal(md5(found.get("workspace/big file") ?? Buffer.alloc(0)), md5(content));
  }));

test("copyIn refuses a folder that does not exist, a file in its place and what is no archive", () =>
  inContainer(async (docker, container) => {
    const files = { file: Buffer.alloc(5_000_000) };
    await assert.rejects(docker.copyIn(container, "/nowhere", archive(files)), {
      name: "DockerError",
      status: 404,
    });
    await assert.rejects(docker.copyIn(container, "/etc/passwd", archive(files)), {
      name: "DockerError",
      message: /not a directory/,
    });
    const noise = (async function* () {
      for (let i = 0; i < 100; i++) yield new Uint8Array(65_536).fill(65);
    })();
    await assert.rejects(docker.copyIn(container, "/tmp", noise), { name: "DockerError", message: /tar/ });
  }));

test("copyIn says that the disk is full, however much is still to be sent", () =>
  inContainer(async (docker, container) => {
    const files = { file: Buffer.alloc(80_000_000) };
    await assert.rejects(docker.copyIn(container, "/dev/full", archive(files)), { name: "DockerError" });
  }));

test("copyOut and exists answer that there is nothing, and reach a container that does not run", () =>
  inContainer(async (docker, container) => {
    await run(
      docker,
      container,
      "ln -s /nowhere /tmp/link; ln -s /tmp/link/x /tmp/loop; echo a > '/tmp/a b?c'",
    );
    await docker.kill(container);
    assert.equal(await docker.copyOut(container, "/tmp/nothing"), undefined);
    assert.equal(await docker.copyOut("conveyor-test-gone", "/tmp"), undefined);
    assert.equal(await docker.exists(container, "/tmp/nothing"), false);
    assert.equal(await docker.exists("conveyor-test-gone", "/tmp"), false);
    assert.equal(await docker.exists(container, "/tmp"), true);
    assert.equal(await docker.exists(container, "/tmp/link"), true);
    assert.equal(await docker.exists(container, "/tmp/a b?c"), true);
    assert.ok(await Array.fromAsync(await docker.copyOut(container, "/tmp/a b?c") ?? []));
  }));
