import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { connectLater } from "../../lib/cli/run/connect-later.ts";
import { type ContainerSpec, type Docker, DockerError, type ExecSpec } from "../../lib/docker/docker.ts";
import { turns } from "../support/until.ts";

const NETWORK = "lan";
const OFFLINE: ExecSpec = { command: ["x"], offline: true };
const ONLINE: ExecSpec = { command: ["x"] };

/** A daemon that notes its calls, and connects a container once the test says so. */
function scene({ disconnect }: { disconnect?: Error } = {}) {
  const did: string[] = [];
  const connection = Promise.withResolvers<void>();
  const noted = <T>(what: string, value: T) => {
    did.push(what);
    return Promise.resolve(value);
  };
  const daemon = {
    create: ({ name }: ContainerSpec) => noted(`create ${name}`, name),
    start: (id: string) => noted(`start ${id}`, undefined),
    exec: (id: string, { offline }: ExecSpec) => noted(`exec ${id}${offline ? " offline" : ""}`, undefined),
    rename: (id: string) => noted(`rename ${id}`, true),
    pause: (id: string) => noted(`pause ${id}`, undefined),
    kill: (id: string) => noted(`kill ${id}`, true),
    remove: (id: string) => noted(`remove ${id}`, true),
    connect: (network: string, id: string) => noted(`connect ${network} ${id}`, connection.promise),
    disconnect: (network: string, id: string) =>
      disconnect ? Promise.reject(disconnect) : noted(`disconnect ${network} ${id}`, undefined),
  };
  const docker = connectLater(daemon as unknown as Docker, NETWORK);
  const started = async (network = NETWORK) => {
    await docker.start(await docker.create({ name: "c", network } as ContainerSpec));
    did.length = 0;
  };
  return { docker, did, connection, started };
}

test("a container starts without its network, and is connected when its first process that needs none has started", async () => {
  const { docker, did } = scene();
  await docker.start(await docker.create({ name: "c", network: NETWORK } as ContainerSpec));
  await docker.exec("c", OFFLINE);
  await docker.exec("c", OFFLINE);
  assert.deepEqual(did, [
    "create c",
    "disconnect lan c",
    "start c",
    "exec c offline",
    "connect lan c",
    "exec c offline",
  ]);
});

for (
  const [what, act] of [
    ["a process", (docker: Docker) => docker.exec("c", ONLINE)],
    ["the rename that begins a build", (docker: Docker) => docker.rename("c", "d")],
  ] as const
) {
  test(`${what} waits until its container is connected`, async () => {
    const { docker, did, connection, started } = scene();
    await started();
    const acting = act(docker);
    await turns();
    assert.deepEqual(did, ["connect lan c"]);
    connection.resolve();
    await acting;
    assert.equal(did.length, 2);
  });

  test(`${what} is refused if the container cannot be connected, and stops waiting when it is told to`, async () => {
    const { docker, did, connection, started } = scene();
    await started();
    const reason = new Error("cancelled");
    await assert.rejects(docker.exec("c", ONLINE, { signal: AbortSignal.abort(reason) }), reason);
    connection.reject(new DockerError("no address left", { status: 500 }));
    for (let i = 0; i < 2; i++) {
      await assert.rejects(act(docker), {
        name: "StepFailure",
        reason: "container-failed",
        message: "Cannot connect the container to its network: no address left",
      });
    }
    assert.deepEqual(did, ["connect lan c"]);
    // What ends and removes it still works.
    await docker.exec("c", OFFLINE);
    await docker.kill("c");
    await docker.remove("c");
    assert.deepEqual(did.slice(1), ["exec c offline", "kill c", "remove c"]);
    // It keeps nothing of another container from starting.
    await docker.exec("d", ONLINE);
  });
}

test("a container is not paused, killed or removed while it is being connected", async () => {
  for (const act of ["pause", "kill", "remove"] as const) {
    const { docker, did, connection, started } = scene();
    await started();
    await docker.exec("c", OFFLINE);
    did.length = 0;
    const acting = docker[act]("c");
    await turns();
    assert.deepEqual(did, []);
    connection.resolve();
    await acting;
    assert.deepEqual(did, [`${act} c`]);
  }
});

test("a container that is removed before its first process is never connected", async () => {
  const { docker, did, started } = scene();
  await started();
  await docker.remove("c");
  await docker.exec("other", OFFLINE);
  assert.deepEqual(did, ["remove c", "exec other offline"]);
});

test("a container starts with its network if that is another, or if the daemon does not take it off", async () => {
  const other = scene();
  await other.started("none");
  const refused = scene({ disconnect: new DockerError("not supported", { status: 501 }) });
  await refused.started();
  for (const { docker, did } of [other, refused]) {
    await docker.exec("c", ONLINE);
    assert.deepEqual(did, ["exec c"]);
  }
});

test("a container does not start while the daemon is away that should take it off its network", async () => {
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  const { docker, did } = scene({ disconnect: away });
  const id = await docker.create({ name: "c", network: NETWORK } as ContainerSpec);
  await assert.rejects(docker.start(id), away);
  assert.deepEqual(did, ["create c"]);
});
