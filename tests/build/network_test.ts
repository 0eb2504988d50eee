import assert from "node:assert/strict";
import { test } from "node:test";
import { containerName, runLabels } from "../../lib/build/labels.ts";
import { provideNetwork } from "../../lib/build/network.ts";
import { type DaemonInfo, type Docker, DockerError } from "../../lib/docker/docker.ts";

type Network = { name: string; labels: Record<string, string>; isolated: boolean; internal?: boolean };
const OWN = containerName("r");
const SHARED = { name: "conveyor", labels: { "conveyor.network": "isolated" }, isolated: true };
const own = (more: object = {}) => ({ name: OWN, labels: runLabels("me", "r"), isolated: false, ...more });

/** `wanted` on a daemon that has these networks; `refusal` is its answer to every creation. */
async function provide(
  wanted: string,
  { there = [], filters = true, services = false, refusal, late }: {
    there?: Network[];
    filters?: boolean;
    services?: boolean;
    refusal?: Error;
    /** Created by somebody else at the moment of ours. */
    late?: Network;
  } = {},
) {
  const networks = [...there];
  const created: Network[] = [];
  const docker = {
    network: (name: string) => Promise.resolve(networks.find((one) => one.name === name)),
    createNetwork(network: Network) {
      if (late) networks.push(late);
      if (refusal) return Promise.reject(refusal);
      created.push(network);
      return Promise.resolve("id");
    },
  } as unknown as Docker;
  const { signal } = new AbortController();
  const run = { owner: "me", run: "r", signal, hasServices: services };
  const given = await provideNetwork(docker, { filtersBridges: filters } as DaemonInfo, wanted, run);
  return { ...given, created };
}
const refused = (status: number) => new DockerError("refused", { status });

test("a run gets the isolated bridge, which is made once and recognised by more than its name", async () => {
  const bridge = { name: "conveyor", description: "isolated bridge" };
  assert.deepEqual(await provide("bridge"), { ...bridge, created: [SHARED] });
  assert.deepEqual(await provide("bridge", { there: [SHARED] }), { ...bridge, created: [] });
  const late = await provide("bridge", { refusal: refused(409), late: SHARED });
  assert.deepEqual(late, { ...bridge, created: [] });
});

test("a run gets a bridge of its own where the shared one is not ours, not isolated, or not to be had", async () => {
  const alone = { name: OWN, description: "a bridge of its own", created: [own({ internal: false })] };
  assert.deepEqual(await provide("bridge", { filters: false }), alone);
  for (const strange of [{ ...SHARED, isolated: false }, { ...SHARED, labels: {} }]) {
    assert.deepEqual(await provide("bridge", { there: [strange] }), alone);
  }
  await assert.rejects(provide("bridge", { refusal: refused(500) }), { reason: "container-failed" });
});

test("a network that the spec names is taken as it is", async () => {
  assert.deepEqual(await provide("none"), { name: "none", description: "none", created: [] });
  assert.deepEqual(await provide("lan"), { name: "lan", description: "lan", created: [] });
});

test("a run with services has a bridge for itself and them, without a way out where it wants none", async () => {
  const open = await provide("bridge", { services: true, there: [SHARED] });
  assert.deepEqual(open.created, [own({ internal: false })]);
  assert.equal(open.description, "a bridge of its own, with its services");
  const closed = await provide("none", { services: true });
  assert.deepEqual(closed.created, [own({ internal: true })]);
  assert.equal(closed.description, "its services' only");
});

test("an earlier attempt's bridge is taken over, and a stranger's of that name is not", async () => {
  const asked = { filters: false, refusal: refused(409) };
  assert.equal((await provide("bridge", { ...asked, there: [own()] })).name, OWN);
  for (const there of [[own({ labels: runLabels("other", "r") })], []]) {
    await assert.rejects(provide("bridge", { ...asked, there }), {
      message: "Cannot create a network for the run: refused",
      reason: "container-failed",
    });
  }
  await assert.rejects(provide("bridge", { filters: false, refusal: new TypeError("a defect") }), TypeError);
});
