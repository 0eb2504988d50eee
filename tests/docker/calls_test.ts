import assert from "node:assert/strict";
import { test } from "node:test";
import type { Docker } from "../../lib/docker/docker.ts";
import { until } from "../support/until.ts";
import { answer, chunked, CHUNKED_END } from "./fake-daemon.ts";
import { docked, type Handle, isUnreachable } from "./stage.ts";

test("pull sends a login in a header, not in the address", () =>
  docked(({ socket }) => socket.write(chunked("") + CHUNKED_END), async (docker, daemon) => {
    const login = { username: "me", password: "hunter2", serverAddress: "r.io" };
    await docker.pull("r.io/a/b", { login, signal: new AbortController().signal });
    assert.equal(daemon.requests[0]?.line, "POST /images/create?fromImage=r.io%2Fa%2Fb&tag=latest");
    const header = /\r\nx-registry-auth: (\S+)/i.exec(daemon.requests[0]?.text ?? "")?.[1] ?? "";
    assert.equal(header.length % 4, 0, "padded");
    assert.deepEqual(JSON.parse(Buffer.from(header, "base64url").toString()), {
      username: "me",
      password: "hunter2",
      serveraddress: "r.io",
    });
    await docker.pull("r.io/x@sha256:" + "0".repeat(64), {
      login: { identityToken: "t", serverAddress: "r.io" },
    });
    assert.match(daemon.requests[1]?.line ?? "", /fromImage=r\.io%2Fx&tag=sha256%3A0{64}$/);
  }));

test("pull says how far it is, and fails with what comes inside the stream", () => {
  const messages = [
    { status: "Pulling from a/b", id: "1" },
    { status: "Downloading", id: "4f4fb700ef54", progressDetail: { current: 1572864, total: 3145728 } },
    { errorDetail: { message: "unexpected EOF" }, error: "unexpected EOF" },
  ].map((message) => JSON.stringify(message)).join("\r\n");
  return docked(
    ({ socket }) => socket.write(chunked(messages.slice(0, 50), messages.slice(50)) + CHUNKED_END),
    async (docker) => {
      const lines: string[] = [];
      const pulling = docker.pull("r.io/a/b:1", { onProgress: ({ text }) => lines.push(text) });
      await assert.rejects(pulling, { name: "DockerError", message: "unexpected EOF", status: 0 });
      assert.deepEqual(lines, ["1: Pulling from a/b", "4f4fb700ef54: Downloading 1.5 MiB/3.0 MiB"]);
    },
  );
});

test("pull throws Retryable where the stream is cut short", () =>
  docked(({ socket }) => socket.end(chunked('{"status":"Pulling"}\n')), async (docker, daemon) => {
    await assert.rejects(docker.pull("r.io/a/b"), isUnreachable(daemon));
  }));

test("remove waits where a removal is under way already", async () => {
  const removed = Promise.withResolvers<void>();
  const handle: Handle = ({ line, socket }) => {
    if (line.startsWith("DELETE ")) {
      socket.write(answer(409, { message: "removal of container abc is already in progress" }));
      return;
    }
    assert.equal(line, "POST /containers/abc/wait?condition=removed");
    removed.promise.then(() => socket.write(answer(200, { StatusCode: 0 })));
  };
  await docked(handle, async (docker, daemon) => {
    let done = false;
    const removing = docker.remove("abc").finally(() => done = true);
    await until(() => daemon.requests.length === 2, "the daemon is asked to wait");
    assert.equal(done, false);
    removed.resolve();
    assert.equal(await removing, true);
  });
});

test("connect leaves a container that is connected already, and is refused for any other cause", async () => {
  const connecting = async (inspected: [status: number, body: object]) => {
    const handle: Handle = ({ line, socket }) =>
      socket.write(line.startsWith("POST ") ? answer(403, { message: "said" }) : answer(...inspected));
    let outcome: unknown;
    await docked(handle, async (docker) => {
      outcome = await docker.connect("lan", "abc").catch((error: Error) => error.message);
    });
    return outcome;
  };
  const on = (Networks: object) => connecting([200, { NetworkSettings: { Networks } }]);
  assert.equal(await on({ lan: { NetworkID: "id" } }), undefined);
  assert.equal(await on({ other: { NetworkID: "lan" } }), undefined);
  assert.equal(await on({ other: { NetworkID: "id" } }), "said");
  assert.equal(await connecting([404, { message: "No such container" }]), "said");
});

test("a call that changes something says what, and where there was nothing to do", async () => {
  const asked: string[] = [];
  const on = async (status: number, work: (docker: Docker) => Promise<unknown>) => {
    let outcome: unknown;
    await docked(
      ({ socket }) => socket.write(answer(status, { message: "said" })),
      async (docker, daemon) => {
        outcome = await work(docker).catch((error: Error) => error.message);
        asked.push(daemon.requests[0]?.line ?? "");
      },
    );
    return outcome;
  };
  const kill = (docker: Docker) => docker.kill("abc");
  const outcomes = [await on(204, kill), await on(404, kill), await on(409, kill), await on(500, kill)];
  assert.deepEqual(outcomes, [true, false, false, "said"]);
  const rename = (docker: Docker) => docker.rename("abc", "other");
  const renamed = [204, 400, 404, 409, 500].map((status) => on(status, rename));
  assert.deepEqual(await Promise.all(renamed), [true, false, false, false, "said"]);
  const remove = (docker: Docker) => docker.remove("abc");
  assert.deepEqual([await on(204, remove), await on(404, remove)], [true, false]);
  const network = (docker: Docker) => docker.removeNetwork("abc");
  assert.deepEqual([await on(204, network), await on(404, network), await on(403, network)], [
    true,
    false,
    "said",
  ]);
  const volume = (docker: Docker) => docker.removeVolume("abc");
  assert.deepEqual([await on(204, volume), await on(404, volume), await on(409, volume)], [
    true,
    false,
    "said",
  ]);
  const pause = (docker: Docker) => docker.pause("abc");
  assert.deepEqual([await on(204, pause), await on(409, pause)], [undefined, "said"]);
  assert.equal(await on(204, (docker) => docker.unpause("abc")), undefined);
  assert.deepEqual([...new Set(asked)], [
    "POST /containers/abc/kill",
    "POST /containers/abc/rename?name=other",
    "DELETE /containers/abc?force=true&v=true",
    "DELETE /networks/abc",
    "DELETE /volumes/abc",
    "POST /containers/abc/pause",
    "POST /containers/abc/unpause",
  ]);
});

test("a network is made open to the outside and closed inside only where that is asked for", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    const body = (i: number) => JSON.parse(daemon.requests[i]?.text.split("\r\n\r\n")[1] ?? "");
    assert.equal(await docker.createNetwork({ name: "n", labels: { a: "b" }, isolated: true }), "abc");
    await docker.createNetwork({ name: "n", labels: {}, isolated: false, internal: true });
    const icc = { "com.docker.network.bridge.enable_icc": "false" };
    assert.deepEqual(body(0), {
      Name: "n",
      CheckDuplicate: true,
      Driver: "bridge",
      Internal: false,
      Labels: { a: "b" },
      Options: icc,
    });
    assert.deepEqual([body(1).Internal, body(1).Options], [true, {}]);
  }));

for (
  const [what, text, message] of [
    ["nested too deeply", "[".repeat(100_000), /Docker at .* answered "\[\[\[.*": expected JSON/],
    ["too long", `["${"x".repeat(33 * 1024 * 1024)}"]`, /Docker answered more than 32\.0 MiB: expected less/],
  ] as const
) {
  test(`an answer of the daemon that is ${what} is an error that names it`, () =>
    docked(({ socket }) => socket.write(answer(200, text)), async (docker) => {
      await assert.rejects(docker.info(), { name: "DockerError", message });
    }));
}

test("a line of a streamed answer that does not end is an error, not memory", () =>
  docked(({ socket }) => socket.write(chunked("x".repeat(2 * 1024 * 1024))), async (docker) => {
    await assert.rejects(docker.pull("a/b", {}), {
      name: "DockerError",
      message: /Docker answered a line of more than 1048576 characters/,
    });
  }));
