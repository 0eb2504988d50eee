import assert from "node:assert/strict";
import { connectLater } from "../../lib/cli/run/connect-later.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { askDaemon, idleSpec, realDocker, run, uniqueLabel } from "../docker/real-docker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/** What a container sees of its network, apart from its own address. */
const SEEN =
  "cat /proc/net/route /etc/resolv.conf; grep -c : /proc/net/dev; cat /proc/sys/net/ipv4/ip_forward";

/** Listens in the background, and returns once the container itself can connect. */
const LISTEN =
  `perl -MIO::Socket -e '$s = IO::Socket::INET->new(LocalPort => 8000, Listen => 9); $s->accept while 1' >/dev/null 2>&1 &
until bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000' 2>/dev/null; do sleep 0.05; done`;

/**
 * Works with a network and with containers on it, of which nothing is left afterwards. `later` is Docker that
 * connects them later.
 */
async function onNetwork(
  work: (scene: {
    docker: Docker;
    later: Docker;
    /** The network's name, and its id when the work begins. */
    name: string;
    network: string;
    running: (on: Docker) => Promise<string>;
  }) => Promise<void>,
): Promise<void> {
  await using docker = realDocker();
  const labels = uniqueLabel();
  const name = `conveyor-test-${labels["conveyor.test"]}`;
  const provide = async () => await docker.createNetwork({ name, labels, isolated: true });
  const later = connectLater(docker, { name, provide: async () => await provide() !== "" });
  const ids: string[] = [];
  const running = async (on: Docker) => {
    const id = await on.create(idleSpec({ labels, network: name }));
    ids.push(id);
    await on.start(id);
    return id;
  };
  try {
    await work({ docker, later, network: await provide(), name, running });
  } finally {
    for (const id of ids) await later.remove(id);
    for (const { id } of await docker.networks(labels)) assert.equal(await docker.removeNetwork(id), true);
  }
}

test("a container that is connected later has the same network as one that starts with it", async () => {
  await onNetwork(async ({ docker, later, network, name, running }) => {
    const usual = await running(docker);
    const late = await running(later);
    assert.deepEqual(await networksOf(late), {});
    const { stdout } = await run(docker, late, "cat /proc/net/route");
    assert.equal(stdout.toString().trim().split("\n").length, 1, "a route before the connection");

    const seen = async (id: string) => (await run(later, id, SEEN)).stdout.toString();
    assert.equal(await seen(late), await seen(usual));
    const [ofLate, ofUsual] = [await networksOf(late), await networksOf(usual)];
    assert.deepEqual(Object.keys(ofLate), [name]);
    assert.equal(ofLate[name]?.NetworkID, network);
    assert.equal(ofLate[name]?.Gateway, ofUsual[name]?.Gateway);
    // Neither reaches what the other one listens with.
    for (const id of [usual, late]) assert.equal((await run(later, id, LISTEN)).exitCode, 0);
    for (const [from, { [name]: at }] of [[late, ofUsual], [usual, ofLate]] as const) {
      const reach = `timeout 2 bash -c 'exec 3<>/dev/tcp/${at?.IPAddress}/8000'`;
      assert.notEqual((await run(later, from, reach)).exitCode, 0);
    }
  });
});

test("a container is connected to its network also if that was removed while nothing was on it", async () => {
  await onNetwork(async ({ docker, later, network, name, running }) => {
    const late = await running(later);
    assert.equal(await docker.removeNetwork(network), true);
    assert.equal((await run(later, late, "true")).exitCode, 0);
    assert.deepEqual(Object.keys(await networksOf(late)), [name]);
  });
});

test("a container that somebody else has connected meanwhile is taken as it is", async () => {
  await onNetwork(async ({ docker, later, network, name, running }) => {
    const late = await running(later);
    await docker.connect(network, late);
    const before = await networksOf(late);
    assert.equal((await run(later, late, "true")).exitCode, 0);
    assert.deepEqual(await networksOf(late), before);
    assert.deepEqual(Object.keys(before), [name]);
  });
});

test("a container that somebody removes keeps no process of another one from starting", async () => {
  await onNetwork(async ({ docker, later, running }) => {
    const [first, second] = [await running(later), await running(later)];
    assert.equal(await docker.remove(first), true);
    assert.equal((await run(later, second, "true")).exitCode, 0);
    await assert.rejects(run(later, first, "true"), { reason: "container-failed" });
  });
});

type Networks = Record<string, { NetworkID: string; Gateway: string; IPAddress: string }>;

async function networksOf(id: string): Promise<Networks> {
  const { NetworkSettings } = await askDaemon("GET", `/containers/${id}/json`);
  return (NetworkSettings as { Networks: Networks }).Networks;
}
