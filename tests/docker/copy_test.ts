import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { answer, chunked } from "./fake-daemon.ts";
import { docked, endless, isUnreachable, silent } from "./stage.ts";

test("copyOut throws Retryable where the archive is cut short, after what had come", () =>
  docked(({ socket }) => socket.end(chunked("first")), async (docker, daemon) => {
    const pieces = (await docker.copyOut("abc", "/x")) as AsyncGenerator<Uint8Array>;
    assert.equal(Buffer.from((await pieces.next()).value ?? []).toString(), "first");
    await assert.rejects(pieces.next(), isUnreachable(daemon));
  }));

test("copyOut throws the signal's reason in the middle of the archive and breaks its connection", () =>
  docked(({ socket }) => socket.write(chunked("first")), async (docker, daemon) => {
    const controller = new AbortController();
    const reason = new Error("cancelled");
    const pieces = await docker.copyOut("abc", "/x", { signal: controller.signal });
    const reading = (async () => {
      for await (const _ of pieces ?? []) controller.abort(reason);
    })();
    await assert.rejects(reading, reason);
    await daemon.idle();
  }));

test("copyOut breaks its connection when its reader leaves early, or the signal fires before it reads", () =>
  docked(({ socket }) => socket.write(chunked("first")), async (docker, daemon) => {
    for await (const _ of (await docker.copyOut("abc", "/x")) ?? []) break;
    await daemon.idle();
    const controller = new AbortController();
    await docker.copyOut("abc", "/x", { signal: controller.signal });
    controller.abort();
    await daemon.idle();
  }));

test("copyIn throws what its source throws and breaks its connection", () =>
  docked(silent, async (docker, daemon) => {
    const failure = new Error("no such file");
    const source = (async function* () {
      yield new Uint8Array(10);
      await until(() => daemon.requests.length > 0, "the daemon is asked");
      throw failure;
    })();
    await assert.rejects(docker.copyIn("abc", "/x", source), failure);
    await daemon.idle();
  }));

test("copyIn fails with the daemon's answer although not everything is sent, and closes its source", () =>
  docked(
    ({ socket }) => socket.write(answer(404, { message: "No such container" })),
    async (docker, daemon) => {
      const closed = Promise.withResolvers<void>();
      await assert.rejects(docker.copyIn("abc", "/x", endless(closed.resolve)), {
        name: "DockerError",
        status: 404,
      });
      await closed.promise;
      await daemon.idle();
    },
  ));
