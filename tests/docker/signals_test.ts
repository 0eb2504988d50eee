import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { type Docker, DockerError } from "../../lib/docker/docker.ts";
import { turns } from "../support/until.ts";
import { answer, chunked, CHUNKED_END, frame, UPGRADED } from "./fake-daemon.ts";
import { docked, endless, type Handle, spec, text } from "./stage.ts";

const CALLS: [string, (docker: Docker, signal: AbortSignal) => Promise<unknown>][] = [
  ["inspect", (docker, signal) => docker.inspect("abc", { signal })],
  ["info", (docker, signal) => docker.info({ signal })],
  ["now", (docker, signal) => docker.now({ signal })],
  ["inspectImage", (docker, signal) => docker.inspectImage("debian", { signal })],
  ["imageNames", (docker, signal) => docker.imageNames({ signal })],
  ["pull", (docker, signal) => docker.pull("debian", { signal })],
  ["create", (docker, signal) => docker.create(spec(), { signal })],
  ["start", (docker, signal) => docker.start("abc", { signal })],
  ["list", (docker, signal) => docker.list({}, { signal })],
  ["processes", (docker, signal) => docker.processes("abc", { signal })],
  ["kill", (docker, signal) => docker.kill("abc", { signal })],
  ["pause", (docker, signal) => docker.pause("abc", { signal })],
  ["unpause", (docker, signal) => docker.unpause("abc", { signal })],
  ["remove", (docker, signal) => docker.remove("abc", { signal })],
  ["exec", (docker, signal) => docker.exec("abc", { command: ["x"] }, { signal })],
  ["copyIn", (docker, signal) => docker.copyIn("abc", "/", endless(), { signal })],
  ["copyOut", (docker, signal) => docker.copyOut("abc", "/", { signal })],
  ["exists", (docker, signal) => docker.exists("abc", "/", { signal })],
  ["events", (docker, signal) => docker.events("abc", 0, ["oom"], { signal })],
  ["attach", (docker, signal) => docker.attach("abc", { signal })],
  ["rename", (docker, signal) => docker.rename("abc", "other", { signal })],
  ["diskBytes", (docker, signal) => docker.diskBytes(["abc"], { signal })],
  ["isAtProcessLimit", (docker, signal) => docker.isAtProcessLimit("abc", { signal })],
  ["networks", (docker, signal) => docker.networks({}, { signal })],
  ["network", (docker, signal) => docker.network("abc", { signal })],
  [
    "createNetwork",
    (docker, signal) => docker.createNetwork({ name: "abc", labels: {}, isolated: true }, { signal }),
  ],
  ["connect", (docker, signal) => docker.connect("abc", "def", { signal })],
  ["disconnect", (docker, signal) => docker.disconnect("abc", "def", { signal })],
  ["removeNetwork", (docker, signal) => docker.removeNetwork("abc", { signal })],
  ["volumes", (docker, signal) => docker.volumes({}, { signal })],
  ["removeVolume", (docker, signal) => docker.removeVolume("abc", { signal })],
];

for (const [name, ask] of CALLS) {
  test(`${name} ends with the signal's reason and breaks its connection while the daemon is silent`, async () => {
    const controller = new AbortController();
    const reason = new Error("cancelled");
    await docked(() => controller.abort(reason), async (docker, daemon) => {
      await assert.rejects(ask(docker, controller.signal), reason);
      await daemon.idle();
      assert.equal(daemon.requests.length, 1);
      await assert.rejects(ask(docker, controller.signal), reason);
      assert.equal(daemon.requests.length, 1);
    });
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });
}

test("connectDocker ends a call with the signal's reason in the middle of an answer", async () => {
  const controller = new AbortController();
  const reason = new Error("cancelled");
  const begin: Handle = ({ socket }) =>
    void socket.write(chunked("["), async () => {
      await turns();
      controller.abort(reason);
    });
  await docked(begin, async (docker, daemon) => {
    await assert.rejects(docker.volumes({}, { signal: controller.signal }), reason);
    await daemon.idle();
  });
});

test("connectDocker leaves no listener at a signal that never fires", async () => {
  const { signal } = new AbortController();
  const handle: Handle = ({ line, socket }) => {
    if (line.startsWith("HEAD ")) socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    else if (line.startsWith("GET /containers/abc/archive")) socket.write(chunked("tar") + CHUNKED_END);
    else if (line === "POST /exec/e1/start") socket.end(UPGRADED + frame("x"));
    else if (line.endsWith("/exec")) socket.write(answer(201, { Id: "e1" }));
    else if (line.endsWith("/json")) socket.write(answer(200, { Running: false, ExitCode: 0 }));
    else socket.write(answer(500, { message: "no" }));
  };
  await docked(handle, async (docker) => {
    assert.equal(await docker.exists("abc", "/x", { signal }), true);
    await assert.rejects(docker.start("abc", { signal }), DockerError);
    await assert.rejects(docker.pull("debian", { signal }), DockerError);
    for await (const _ of await docker.copyOut("abc", "/x", { signal }) ?? []);
    await text((await docker.exec("abc", { command: ["x"] }, { signal })).output);
  });
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
