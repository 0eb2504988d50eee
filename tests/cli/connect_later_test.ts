import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { connectLater } from "../../lib/cli/run/connect-later.ts";
import { type ContainerSpec, type Docker, DockerError, type ExecSpec } from "../../lib/docker/docker.ts";
import { turns } from "../support/until.ts";

const NETWORK = "lan";
const OFFLINE: ExecSpec = { command: ["x"], offline: true };
const ONLINE: ExecSpec = { command: ["x"] };

const GONE = new DockerError("network lan not found", { status: 404 });

/**
 * A daemon that notes its calls, and connects a container once the test says so. `pruned`: somebody has
 * removed the network, which can be provided again or not.
 */
function scene(
  { disconnect, pruned }: {
    disconnect?: Error | Promise<void>;
    pruned?: { provides: boolean };
  } = {},
) {
  const did: string[] = [];
  const connection = Promise.withResolvers<void>();
  let isGone = pruned !== undefined;
  const noted = <T>(what: string, value: T) => {
    did.push(what);
    return Promise.resolve(value);
  };
  const daemon = {
    create: ({ name }: ContainerSpec) => noted(`create ${name}`, name),
    start: (id: string) => noted(`start ${id}`, undefined),
    exec: (id: string, { offline }: ExecSpec) => noted(`exec ${id}${offline ? " offline" : ""}`, undefined),
    rename: (id: string) => noted(`rename ${id}`, true),
    kill: (id: string) => noted(`kill ${id}`, true),
    remove: (id: string) => noted(`remove ${id}`, true),
    connect: (network: string, id: string) =>
      noted(`connect ${network} ${id}`, isGone ? Promise.reject(GONE) : connection.promise),
    disconnect: (network: string, id: string) =>
      disconnect instanceof Error
        ? Promise.reject(disconnect)
        : noted(`disconnect ${network} ${id}`, disconnect),
  };
  const provide = () => {
    isGone = pruned?.provides === false;
    return noted(`provide ${NETWORK}`, !isGone);
  };
  const docker = connectLater(daemon as unknown as Docker, { name: NETWORK, provide });
  const started = async (network = NETWORK, name = "c") => {
    await docker.start(await docker.create({ name, network } as ContainerSpec));
    did.length = 0;
  };
  return { docker, daemon, did, connection, started };
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
    [
      "the creation of a container that shares its network",
      (docker: Docker) => docker.create({ name: "d", network: "container:c" } as ContainerSpec),
    ],
  ] as const
) {
  test(`${what} waits until the container is connected`, async () => {
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
    // Each of them tries again.
    assert.deepEqual(did, ["connect lan c", "connect lan c"]);
    // What ends and removes it still works.
    await docker.exec("c", OFFLINE);
    await docker.kill("c");
    await docker.remove("c");
    assert.deepEqual(did.slice(2), ["exec c offline", "connect lan c", "kill c", "remove c"]);
  });
}

test("a container is not removed while it is being connected", async () => {
  const { docker, did, connection, started } = scene();
  await started();
  await docker.exec("c", OFFLINE);
  did.length = 0;
  const removing = docker.remove("c");
  await turns();
  assert.deepEqual(did, []);
  connection.resolve();
  await removing;
  assert.deepEqual(did, ["remove c"]);
});

test("a container that cannot be connected keeps no process of another one from starting", async () => {
  const { docker, did, connection, started } = scene();
  await started();
  await docker.exec("c", OFFLINE);
  connection.reject(new DockerError("No such container", { status: 400 }));
  await assert.rejects(docker.exec("c", ONLINE), { reason: "container-failed" });
  await started("none", "other");
  await docker.exec("other", ONLINE);
  assert.deepEqual(did, ["exec other"]);
});

test("a process waits however its container is named", async () => {
  const id = "0123456789ab";
  for (const reference of [id, "01234", "build"]) {
    const { docker, did, daemon } = scene();
    daemon.create = () => Promise.resolve(id);
    await docker.start(await docker.create({ name: "build", network: NETWORK } as ContainerSpec));
    void docker.exec(reference, ONLINE);
    await turns();
    assert.equal(did.at(-1), `connect ${NETWORK} ${id}`, reference);
  }
});

test("a network that somebody has removed meanwhile is provided again, if it can be", async () => {
  const again = scene({ pruned: { provides: true } });
  await again.started();
  again.connection.resolve();
  await again.docker.exec("c", ONLINE);
  assert.deepEqual(again.did, ["connect lan c", "provide lan", "connect lan c", "exec c"]);
  const gone = scene({ pruned: { provides: false } });
  await gone.started();
  await assert.rejects(gone.docker.exec("c", ONLINE), {
    reason: "container-failed",
    message: "Cannot connect the container to its network: network lan not found",
  });
  assert.deepEqual(gone.did, ["connect lan c", "provide lan"]);
});

test("a start stops waiting for the daemon to take the container off its network when it is told to", async () => {
  const { docker, did } = scene({ disconnect: new Promise(() => {}) });
  const id = await docker.create({ name: "c", network: NETWORK } as ContainerSpec);
  const controller = new AbortController();
  const starting = docker.start(id, { signal: controller.signal });
  const reason = new Error("cancelled");
  controller.abort(reason);
  await assert.rejects(starting, reason);
  await docker.remove(id);
  assert.deepEqual(did, ["create c", "disconnect lan c", "remove c"]);
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

test("a process that waits while the daemon goes away is told so, and the next one tries again", async () => {
  const { docker, did, daemon, started } = scene();
  await started();
  const { connect } = daemon;
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  daemon.connect = () => Promise.reject(away);
  await assert.rejects(docker.exec("c", ONLINE), away);
  daemon.connect = connect;
  void docker.exec("c", ONLINE);
  await turns();
  assert.deepEqual(did, ["connect lan c"]);
});

test("a container does not start while the daemon is away that should take it off its network", async () => {
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  const { docker, did } = scene({ disconnect: away });
  const id = await docker.create({ name: "c", network: NETWORK } as ContainerSpec);
  await assert.rejects(docker.start(id), away);
  assert.deepEqual(did, ["create c"]);
});
