import assert from "node:assert/strict";
import { test } from "node:test";
import { CACHE_LABELS } from "../../lib/build/cache/volumes.ts";
import {
  announcementName,
  containerName,
  gitContainerName,
  idleName,
  LABELS,
  runLabels,
  serviceName,
} from "../../lib/build/labels.ts";
import { housekeepHost } from "../../lib/build/housekeep-host.ts";
import { sweep, type SweepOptions } from "../../lib/build/sweep.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import type { AskRun } from "../../lib/driver/host/run-state.ts";
import { captureLog } from "../support/process-log.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { DAEMON, fakeDocker } from "./fake-docker.ts";

const { signal } = new AbortController();

/** A daemon with all that a run can have, for each of these runs. */
function hostWith(...runs: string[]) {
  const fake = fakeDocker();
  for (const run of runs) {
    const labels = runLabels("me", run);
    fake.add(idleName(run), labels);
    fake.add(gitContainerName(run), labels);
    fake.add(serviceName(run, "db"), { ...labels, [LABELS.kind]: "service" });
    fake.networks.set(containerName(run), labels);
    const announced = { ...labels, [LABELS.starts]: `c-${run}` };
    fake.volumes.set(announcementName(`c-${run}`), announced);
    const layer = { [LABELS.owner]: "me", [CACHE_LABELS.run]: run };
    fake.volumes.set(`conveyor-cache-${run}`, { ...layer, [CACHE_LABELS.role]: "layer" });
    fake.volumes.set(`conveyor-cache-${run}-work`, { ...layer, [CACHE_LABELS.role]: "work" });
  }
  const left = () =>
    [
      ...[...fake.containers.values()].map(({ name }) => name),
      ...fake.networks.keys(),
      ...fake.volumes.keys(),
    ].sort();
  return { ...fake, left };
}
const allOf = (...runs: string[]) => hostWith(...runs).left();
const alive = (...runs: string[]): SweepOptions["isAlive"] => (run) => runs.includes(run);

test("what a dead run has left is removed, all of it, and a run that lives keeps all it has", async () => {
  const host = hostWith("dead", "lives");
  assert.deepEqual(await sweep(host.docker, { owner: "me", isAlive: alive("lives"), signal }), [
    idleName("dead"),
  ]);
  assert.deepEqual(host.left(), allOf("lives"));
});

test("what Docker cannot remove keeps nothing else of it or of other runs, and is said at the end", async () => {
  for (const stuck of [idleName("first"), gitContainerName("first"), serviceName("first", "db")]) {
    const host = hostWith("first", "second");
    const remove = host.docker.remove.bind(host.docker);
    Object.assign(host.docker, {
      remove: (id: string) =>
        host.containers.get(id)?.name === stuck
          ? Promise.reject(new DockerError("device or resource busy", { status: 500 }))
          : remove(id),
    });
    await assert.rejects(sweep(host.docker, { owner: "me", isAlive: alive(), signal }), /resource busy/);
    // A git container keeps the volume of the run's container, which would be lost without it.
    const left = stuck === gitContainerName("first") ? [idleName("first"), stuck] : [stuck];
    assert.deepEqual(host.left().filter((name) => !name.startsWith("conveyor-cache-")).sort(), left.sort());
    const failures: DockerError[] = [];
    const onFailure = (error: DockerError) => void failures.push(error);
    await sweep(host.docker, { owner: "me", isAlive: alive(), signal, onFailure });
    assert.ok(failures.length > 0);
  }
});

test("what has lost its container is removed too, and the network is told of", async () => {
  const host = hostWith("dead", "lives");
  for (const run of ["dead", "lives"]) host.containers.delete(`id-${idleName(run)}`);
  const told: string[] = [];
  const onNetwork = (name: string) => void told.push(name);
  await sweep(host.docker, {
    owner: "me",
    isAlive: alive("lives"),
    signal,
    onNetwork,
  });
  assert.deepEqual(host.left(), allOf("lives").filter((name) => name !== idleName("lives")));
  assert.deepEqual(told, []);
  const bare = hostWith();
  bare.networks.set(containerName("dead"), runLabels("me", "dead"));
  bare.networks.set("another", runLabels("me", "dead"));
  await sweep(bare.docker, { owner: "me", isAlive: alive(), signal, onNetwork });
  assert.deepEqual(told, [containerName("dead")]);
  assert.deepEqual(bare.left(), ["another"]);
});

test("a dry run names what it would remove, and removes nothing", async () => {
  const host = hostWith("dead");
  const removed = await sweep(host.docker, { owner: "me", isAlive: alive(), signal, dryRun: true });
  assert.deepEqual(removed.sort(), [idleName("dead"), gitContainerName("dead")].sort());
  assert.deepEqual(host.left(), allOf("dead"));
});

test("what is another owner's, or only carries a run's labels, is left", async () => {
  const fake = fakeDocker();
  fake.add(idleName("r"), runLabels("other", "r"));
  fake.add("with-labels", runLabels("me", "r"));
  fake.volumes.set("with-labels", { ...runLabels("me", "r"), [LABELS.starts]: "x" });
  fake.volumes.set("layer", { [LABELS.owner]: "me", [CACHE_LABELS.role]: "layer", [CACHE_LABELS.run]: "r" });
  assert.deepEqual(await sweep(fake.docker, { owner: "me", isAlive: alive(), signal }), []);
  assert.deepEqual([fake.containers.size, fake.volumes.size], [2, 2]);
});

/** A name of the kind that Docker gives to a volume without one. */
const unnamed = (digit: string) => digit.repeat(64);
const workspaceOf = (owner: string, run: string) => ({ ...runLabels(owner, run), [LABELS.kind]: "build" });

test("a volume that has lost its container goes with its run, and one that is used, young or named stays", async () => {
  const host = hostWith("lives");
  const labels = { ...workspaceOf("me", "dead"), [LABELS.keep]: "always" };
  host.volumes.set(unnamed("a"), labels);
  host.volumes.set(unnamed("b"), workspaceOf("me", "lives"));
  host.volumes.set(unnamed("c"), labels);
  host.volumes.set(unnamed("d"), workspaceOf("other", "dead"));
  host.volumes.set("theirs", labels);
  host.volumes.set(unnamed("e"), runLabels("me", "dead"));
  host.add("helper", {}, { volumes: { "/workspace": unnamed("c") } });
  const before = host.left();
  const told: string[] = [];
  const options = {
    owner: "me",
    isAlive: alive("lives"),
    signal,
    onVolume: (name: string) => told.push(name),
  };
  await sweep(host.docker, { ...options, olderThanMs: DAEMON.now + 1 });
  assert.deepEqual([told, host.left()], [[], before]);
  await sweep(host.docker, { ...options, olderThanMs: DAEMON.now });
  assert.deepEqual(told, [unnamed("a")]);
  assert.deepEqual(host.left(), before.filter((name) => name !== unnamed("a")));
});

test("a dry run names the volume of no container that goes too", async () => {
  const host = hostWith("dead");
  const labels = workspaceOf("me", "dead");
  host.volumes.set(unnamed("a"), labels);
  host.volumes.set(unnamed("b"), labels);
  host.add(containerName("dead"), labels, { volumes: { "/workspace": unnamed("a") } });
  const told: string[] = [];
  const onVolume = (name: string) => void told.push(name);
  await sweep(host.docker, { owner: "me", isAlive: alive(), signal, dryRun: true, onVolume });
  assert.deepEqual(told, [unnamed("b")]);
  assert.equal(host.volumes.has(unnamed("b")), true);
});

test("a container that is kept for a look stays with all its run has until it expires", async () => {
  const kept = (expires: number) => {
    const fake = fakeDocker();
    fake.add(containerName("r"), {
      ...runLabels("me", "r"),
      [LABELS.keep]: "failure",
      [LABELS.expires]: String(expires),
    });
    fake.networks.set(containerName("r"), runLabels("me", "r"));
    fake.volumes.set("conveyor-cache-r", {
      [LABELS.owner]: "me",
      [CACHE_LABELS.role]: "layer",
      [CACHE_LABELS.run]: "r",
    });
    return fake;
  };
  for (const [expires, left] of [[DAEMON.now, 1], [DAEMON.now - 1, 0]] as const) {
    const fake = kept(expires);
    const told: string[] = [];
    const onKept = ({ name }: { name: string }) => void told.push(name);
    await sweep(fake.docker, { owner: "me", isAlive: alive("r"), signal, onKept });
    assert.deepEqual(told, [], "its run is alive");
    await sweep(fake.docker, { owner: "me", isAlive: alive(), signal, onKept });
    assert.deepEqual(told, left === 1 ? [containerName("r")] : []);
    assert.deepEqual([fake.containers.size, fake.networks.size, fake.volumes.size], [left, left, left]);
  }
});

test("whoever tells whether a run lives is told whether it has expired", async () => {
  const asked: string[] = [];
  const fake = fakeDocker();
  const expiring = (run: string, expires?: number) =>
    fake.add(idleName(run), {
      ...runLabels("me", run),
      ...expires !== undefined && { [LABELS.expires]: String(expires) },
    });
  expiring("a", DAEMON.now - 1);
  expiring("b", DAEMON.now);
  expiring("c");
  await sweep(fake.docker, {
    owner: "me",
    isAlive: (run, isExpired) => (asked.push(`${run} ${isExpired}`), true),
    signal,
  });
  assert.deepEqual([...new Set(asked)], ["a true", "b false", "c false"]);
});

test("a run of which something is younger than wanted is left whole", async () => {
  const aged = async (createdSecond: number, networkAt: number) => {
    const fake = fakeDocker();
    const container = fake.add(idleName("r"), runLabels("me", "r"));
    // A list has whole seconds only.
    const { createdAt: _, ...listed } = container;
    fake.containers.set(container.id, { ...listed, createdSecond } as never);
    fake.networks.set(containerName("r"), runLabels("me", "r"));
    const { networks } = fake.docker;
    Object.assign(fake.docker, {
      networks: async (labels: Record<string, string>) =>
        (await networks(labels)).map((one) => ({ ...one, createdAt: networkAt })),
    });
    await sweep(fake.docker, { owner: "me", isAlive: alive(), signal, olderThanMs: 10_000 });
    return fake.containers.size;
  };
  const now = DAEMON.now;
  assert.equal(await aged(now / 1000 - 10, now - 10_000), 0);
  assert.equal(await aged(now / 1000 - 9, now - 10_000), 1);
  assert.equal(await aged(now / 1000 - 10, now - 9999), 1);
});

test("whoever looks after caches is told of those that were found", async () => {
  const host = hostWith("lives");
  const found: string[] = [];
  await sweep(host.docker, {
    owner: "me",
    isAlive: alive("lives"),
    signal,
    onCaches: ({ layers }) => void found.push(...layers.keys()),
  });
  assert.deepEqual(found, ["conveyor-cache-lives"]);
});

test("a host is cleaned by what an engine says of its runs, and by their expiry where none does or all is idle", async () => {
  await using log = await captureLog();
  const cases: [state: Awaited<ReturnType<AskRun>>, whenExpired: boolean, before: boolean][] = [
    ["over", false, false],
    ["works", true, true],
    ["waits", true, true],
    ["idle", false, true],
    [undefined, false, true],
  ];
  for (const [state, ...stays] of cases) {
    for (const [i, expires] of [DAEMON.now - 1, DAEMON.now].entries()) {
      const fake = fakeDocker();
      fake.add(idleName("r"), { ...runLabels("me", "r"), [LABELS.expires]: String(expires) });
      await housekeepHost({
        docker: fake.docker,
        settings: testSettings({ owner: "me" }),
        policy: testPolicy(),
        askRun: () => Promise.resolve(state),
        signal,
      });
      assert.equal(fake.containers.size === 1, stays[i], `${state} ${expires}`);
    }
  }
  assert.deepEqual([...new Set(log.lines)], [`info: Removed ${idleName("r")}: its run is over`]);
});

test("a host that is cleaned names each container that Docker cannot remove", async () => {
  await using log = await captureLog();
  const fake = fakeDocker();
  for (const run of ["r", "s"]) fake.add(idleName(run), runLabels("me", run));
  fake.docker.remove = () => Promise.reject(new DockerError("busy", { status: 500 }));
  await housekeepHost({
    docker: fake.docker,
    settings: testSettings({ owner: "me" }),
    policy: testPolicy(),
    askRun: () => Promise.resolve("over"),
    signal,
  });
  assert.deepEqual(log.lines, ["r", "s"].map((run) => `warning: Cannot remove ${idleName(run)}: busy`));
});

test("a host that is cleaned keeps no cache for longer than its operator wants", async () => {
  const fake = fakeDocker();
  const name = "conveyor-cache-old-saved";
  fake.volumes.set(name, {
    [LABELS.owner]: "me",
    [CACHE_LABELS.role]: "saved",
    [CACHE_LABELS.project]: "p",
    [CACHE_LABELS.repository]: "app.git",
    [CACHE_LABELS.name]: "npm",
    [CACHE_LABELS.scope]: "ref:dev",
    [CACHE_LABELS.key]: "k",
    [CACHE_LABELS.top]: "",
    [CACHE_LABELS.below]: "",
    [CACHE_LABELS.used]: String(DAEMON.now - 1000),
  });
  const clean = (maxAgeMs: number) =>
    housekeepHost({
      docker: fake.docker,
      settings: testSettings({ owner: "me" }),
      policy: testPolicy({ caches: { maxBytes: undefined, maxAgeMs } }),
      askRun: () => Promise.resolve(undefined),
      signal,
    });
  await clean(1000);
  assert.deepEqual([...fake.volumes.keys()], [name]);
  await clean(999);
  assert.deepEqual([...fake.volumes.keys()], []);
});
