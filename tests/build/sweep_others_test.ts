import assert from "node:assert/strict";
import { test } from "node:test";
import { containerName, LABELS, runLabels, serviceName } from "../../lib/build/labels.ts";
import { sweepOthers } from "../../lib/build/sweep-others.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { networkAndVolumeCalls } from "../../lib/docker/networks.ts";
import { patience } from "../support/within.ts";
import { DAEMON, fakeDocker } from "./fake-docker.ts";

const DAY = 24 * 3_600_000;
const GIVEN = { own: "me", olderThanMs: 0, signal: patience() };

/** A daemon with a day old network of a run of somebody else. */
function withOldNetwork() {
  const fake = fakeDocker();
  const labels = runLabels("them", "r");
  fake.networks.set(containerName("r"), labels);
  const docker: Docker = {
    ...fake.docker,
    networks: async (...words) =>
      (await fake.docker.networks(...words)).map((one) => ({ ...one, createdAt: DAEMON.now - DAY })),
  };
  return { ...fake, docker, labels };
}

test("sweepOthers removes an old network that no container of its run uses", async () => {
  const { docker, networks } = withOldNetwork();
  const removed = [{ kind: "network", name: containerName("r"), owner: "them" }];
  assert.deepEqual(await sweepOthers(docker, GIVEN), removed);
  assert.equal(networks.size, 0);
});

test("sweepOthers leaves a run whose container a restart creates after it has looked", async () => {
  const { docker, containers, networks, add, labels } = withOldNetwork();
  let looks = 0;
  const restarting: Docker = {
    ...docker,
    list: (...words) => {
      if (++looks === 2) add(containerName("r"), { ...labels, [LABELS.expires]: String(DAEMON.now + DAY) });
      return docker.list(...words);
    },
  };
  assert.deepEqual(await sweepOthers(restarting, GIVEN), []);
  assert.ok(looks > 1);
  assert.deepEqual([containers.size, networks.size], [1, 1]);
});

test("a network whose age Docker does not tell is never old", async () => {
  const times = ["2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z", "", "yesterday"];
  const listNetworks = () =>
    Promise.resolve(times.map((Created, i) => ({ Id: `${i}`, Name: `n${i}`, Labels: {}, Created })));
  const calls = networkAndVolumeCalls({ listNetworks } as Parameters<typeof networkAndVolumeCalls>[0]);
  const found = await calls.networks({});
  assert.deepEqual(found.map(({ createdAt }) => createdAt), [
    Date.UTC(2026, 0, 2, 3, 4, 5),
    Infinity,
    Infinity,
    Infinity,
  ]);
});

test("sweepOthers removes runs of others all of whose containers have expired, and leaves every other one whole", async () => {
  const fake = fakeDocker();
  const add = (run: string, name: string, owner: string, expires?: string) =>
    fake.add(name, { ...runLabels(owner, run), ...expires !== undefined && { [LABELS.expires]: expires } });
  const [past, future] = [String(DAEMON.now - 1), String(DAEMON.now)];
  add("expired", containerName("expired"), "them", past);
  add("other", containerName("other"), "others", past);
  add("mine", containerName("mine"), "me", past);
  add("lives", containerName("lives"), "them", future);
  add("unlabelled", containerName("unlabelled"), "them");
  add("wrong", containerName("wrong"), "them", "-5");
  // Of several containers, one is enough, whichever comes first.
  for (const [run, first, second] of [["half", past, future], ["late", future, past]] as const) {
    add(run, containerName(run), "them", first);
    add(run, serviceName(run, "db"), "them", second);
  }
  fake.add("nobody's", { [LABELS.owner]: "", [LABELS.expires]: past });
  for (const dryRun of [true, false]) {
    assert.deepEqual(
      await sweepOthers(fake.docker, { ...GIVEN, dryRun }),
      [
        { kind: "container", name: containerName("other"), owner: "others" },
        { kind: "container", name: containerName("expired"), owner: "them" },
      ],
    );
    assert.equal(fake.containers.size, dryRun ? 11 : 9);
  }
});

test("sweepOthers leaves a network that may be of a run that is just beginning, and one whose run has a container", async () => {
  const left = async (ageMs: number, withContainer = false) => {
    const { docker, networks, add, labels } = withOldNetwork();
    if (withContainer) add(containerName("r"), labels);
    const aged: Docker = {
      ...docker,
      networks: async (...words) =>
        (await docker.networks(...words)).map((one) => ({ ...one, createdAt: DAEMON.now - ageMs })),
    };
    await sweepOthers(aged, GIVEN);
    return networks.size;
  };
  const HOUR = 3_600_000;
  assert.deepEqual([await left(HOUR), await left(HOUR + 1), await left(DAY, true)], [1, 0, 1]);
});
