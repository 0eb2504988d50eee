import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { CACHE_LABELS } from "../../lib/build/cache/volumes.ts";
import { startContainer } from "../../lib/build/container.ts";
import {
  announcementName,
  containerName,
  gitContainerName,
  idleName,
  LABELS,
  runLabels,
  serviceName,
} from "../../lib/build/labels.ts";
import { endGitContainer } from "../../lib/build/git/git-container.ts";
import { removeResource, removeRun } from "../../lib/build/remove.ts";
import { stopContainer } from "../../lib/build/stop.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { captureLog } from "../support/process-log.ts";
import { stepContext } from "../support/step-context.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { DAEMON, fakeDocker, IMAGE, planFor } from "./fake-docker.ts";

const { signal } = new AbortController();
const OWNED = { owner: "me", run: "r", signal };
const done = (data: unknown = {}): DriverResult => ({ success: true, message: "", data });
const SUCCEEDED = {
  "container-start": done(),
  "git-cloner": done({ ref: "refs/heads/main" }),
  builder: done(),
};

function context(
  fake: ReturnType<typeof fakeDocker>,
  run: string,
  { spec = {}, ...given }: { spec?: object } & NonNullable<Parameters<typeof stepContext>[2]> = {},
) {
  const whole = { repository: "https://example.org/app.git", image: "gcc:14", commands: ["make"], ...spec };
  const settings = testSettings({ owner: "me", graceMs: 1 });
  return stepContext(fake.docker, whole, {
    run,
    settings,
    policy: testPolicy({ allowKeep: true }),
    ...given,
  });
}

/** One run: its container starts, and stops with these results. Answers the log's lines. */
async function run(
  fake: ReturnType<typeof fakeDocker>,
  name: string,
  spec: object,
  results: Record<string, DriverResult> = SUCCEEDED,
) {
  const starting = context(fake, name, { spec });
  const id = await startContainer(starting, planFor(starting), IMAGE, DAEMON);
  const mounts = fake.containers.get(id)?.spec?.mounts ?? [];
  const stopping = context(fake, name, { spec, results });
  const result = await stopContainer(stopping);
  return { mounts, result, lines: [...await starting.lines(), ...await stopping.lines()] };
}
const roles = (fake: ReturnType<typeof fakeDocker>) =>
  [...fake.volumes.values()].map((labels) => labels[CACHE_LABELS.role]).sort();

test("a container whose build begins while it is looked for is removed", async () => {
  const fake = fakeDocker();
  const { id } = fake.add(idleName("r"), runLabels("me", "r"));
  const { inspect, rename } = fake.docker;
  // The daemon answers for the second name first, and renames the container before it answers for the other.
  fake.docker.inspect = async (name, options) => {
    if (name === idleName("r")) {
      await Promise.resolve();
      await rename(id, containerName("r"));
    }
    return await inspect(name, options);
  };
  assert.equal(await removeRun(fake.docker, OWNED), true);
  assert.deepEqual([...fake.containers.keys()], []);
});

test("a run's container, its git container, its network and its announcements are removed, in that order and nothing else", async () => {
  const fake = fakeDocker();
  const labels = runLabels("me", "r");
  const own = fake.add(idleName("r"), labels);
  fake.add(gitContainerName("r"), labels);
  fake.add("with-labels", labels);
  fake.add(containerName("s"), runLabels("me", "s"));
  fake.networks.set(containerName("r"), labels);
  fake.networks.set("with-labels", labels);
  const announcement = announcementName(own.id);
  fake.volumes.set(announcement, { ...labels, [LABELS.starts]: own.id });
  fake.volumes.set("with-labels", { ...labels, [LABELS.starts]: own.id });
  assert.equal(await removeRun(fake.docker, OWNED), true);
  assert.deepEqual(fake.did, [
    `remove id-${gitContainerName("r")}`,
    `remove ${own.id}`,
    `remove volume ${announcement}`,
    `remove network ${containerName("r")}`,
  ]);
  assert.equal(await removeRun(fake.docker, OWNED), false);
});

test("a run's container keeps its volume from being lost while Docker cannot remove the git container", async () => {
  const fake = fakeDocker();
  const own = fake.add(containerName("r"), runLabels("me", "r"));
  const git = fake.add(gitContainerName("r"), runLabels("me", "r"));
  const remove = fake.docker.remove.bind(fake.docker);
  fake.docker.remove = (id, options) =>
    id === git.id ? Promise.reject(new DockerError("busy", { status: 500 })) : remove(id, options);
  await assert.rejects(removeRun(fake.docker, OWNED), /busy/);
  assert.deepEqual([...fake.containers.values()].map(({ id, state }) => [id, state]), [
    [own.id, "exited"],
    [git.id, "running"],
  ]);
  fake.docker.remove = remove;
  assert.equal(await removeRun(fake.docker, OWNED), true);
  assert.equal(fake.containers.size, 0);
});

test("an announcement that Docker cannot remove fails no build and keeps no cache from being saved", async () => {
  await using log = await captureLog();
  const fake = fakeDocker();
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  const starting = context(fake, "r", { spec });
  const id = await startContainer(starting, planFor(starting), IMAGE, DAEMON);
  const announcement = announcementName(id);
  fake.volumes.set(announcement, { ...runLabels("me", "r"), [LABELS.starts]: id });
  const removeVolume = fake.docker.removeVolume.bind(fake.docker);
  fake.docker.removeVolume = (name, options) =>
    name === announcement
      ? Promise.reject(new DockerError("in use", { status: 409 }))
      : removeVolume(name, options);
  const stopping = context(fake, "r", { spec, results: SUCCEEDED });
  assert.equal((await stopContainer(stopping)).message, "Removed the container");
  assert.ok((await stopping.lines()).some((line) => line.includes("Saved cache deps")));
  assert.deepEqual(log.lines, [`warning: Cannot remove ${announcement}: in use`]);
});

test("of two that remove a run at once, one has removed it", async () => {
  const fake = fakeDocker();
  fake.add(idleName("r"), runLabels("me", "r"));
  const both = await Promise.all([removeRun(fake.docker, OWNED), removeRun(fake.docker, OWNED)]);
  assert.deepEqual(both.toSorted(), [false, true]);
  assert.equal(fake.did.length, 1);
});

test("a network that others still use is left, and any other failure is told", async () => {
  for (const status of [403, 409, 500]) {
    const fake = fakeDocker();
    fake.networks.set(containerName("r"), runLabels("me", "r"));
    Object.assign(fake.docker, {
      removeNetwork: () => Promise.reject(new DockerError("in use", { status })),
    });
    if (status === 500) await assert.rejects(removeRun(fake.docker, OWNED), /in use/);
    else assert.equal(await removeRun(fake.docker, OWNED), false);
  }
});

test("a deleted resource loses the containers of all its runs, and no other one", async () => {
  const fake = fakeDocker();
  const of = (run: string, resource: string) => ({ ...runLabels("me", run), [LABELS.resource]: resource });
  for (const run of ["1", "2"]) fake.add(idleName(run), of(run, "app"));
  fake.add("only-labels", of("3", "app"));
  fake.add(idleName("4"), of("4", "other"));
  assert.equal(await removeResource(fake.docker, { owner: "me", resource: "app", signal }), 2);
  assert.deepEqual([...fake.containers.keys()], ["id-only-labels", `id-${idleName("4")}`]);
  const deleting = context(fake, "5", { event: "delete" });
  assert.equal((await stopContainer(deleting)).message, 'Removed 0 containers of "app"');
});

test("a container is removed once, and one that is gone is no failure", async () => {
  const fake = fakeDocker();
  assert.equal((await run(fake, "r", {})).result.message, "Removed the container");
  const again = await stopContainer(context(fake, "r", { results: SUCCEEDED }));
  assert.deepEqual([again.success, again.message], [true, "The container is gone already"]);
});

test("a container that is kept for a look stays, where its build has failed or always", async () => {
  const failed = { ...SUCCEEDED, builder: { success: false, message: "" } };
  const cases: [keep: string, typeof failed | typeof SUCCEEDED, stays: boolean][] = [
    ["never", failed, false],
    ["failure", failed, true],
    ["failure", SUCCEEDED, false],
    ["always", SUCCEEDED, true],
  ];
  for (const [keep, results, stays] of cases) {
    const fake = fakeDocker();
    const { result } = await run(fake, "r", { keep }, results);
    assert.equal(result.success, true);
    assert.equal(fake.containers.size > 0, stays, `${keep}, ${results.builder.success}`);
  }
});

test("a cache is saved by a build that succeeds, and read by the next one as a layer of its own", async () => {
  const fake = fakeDocker();
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  const first = await run(fake, "1", spec);
  assert.match(first.lines.join("\n"), /empty, nothing is saved yet[\s\S]*Saved cache deps/);
  assert.deepEqual(roles(fake), ["layer", "saved"]);
  const second = await run(fake, "2", spec);
  assert.ok(
    second.mounts.some((mount) => mount.target === "/cache" && "overlay" in mount),
    JSON.stringify(second.mounts),
  );
  // The new one takes the place of the old, and stands on its layer.
  assert.deepEqual(roles(fake), ["layer", "layer", "saved"]);
  const saved = [...fake.volumes.values()].find((labels) => labels[CACHE_LABELS.role] === "saved");
  assert.equal(saved?.[CACHE_LABELS.below]?.split(",").length, 1);
  assert.equal(saved?.[CACHE_LABELS.branch], "refs/heads/main");
});

test("a build that fails saves no cache, says so, and leaves the saved one and no layer of its own", async () => {
  const fake = fakeDocker();
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  await run(fake, "1", spec);
  const before = [...fake.volumes.keys()];
  for (const failed of ["builder", "git-cloner"]) {
    const results = { ...SUCCEEDED, [failed]: { success: false, message: "" } };
    const { lines } = await run(fake, `2-${failed}`, spec, results);
    assert.ok(
      lines.some((line) => line.includes("Not saved, since the build did not succeed: cache deps")),
      failed,
    );
    assert.deepEqual([...fake.volumes.keys()], before);
  }
});

test("a cache whose key was found is not saved again, and one with another key is saved beside it", async () => {
  const fake = fakeDocker();
  const spec = (key: string) => ({ cache: [{ name: "deps", path: "/cache", key }] });
  assert.match((await run(fake, "1", spec("a"))).lines.join("\n"), /Saved cache deps, key a/);
  assert.doesNotMatch((await run(fake, "2", spec("a"))).lines.join("\n"), /Saved/);
  assert.match((await run(fake, "3", spec("b"))).lines.join("\n"), /Saved cache deps, key b/);
  const keys = [...fake.volumes.values()].filter((labels) => labels[CACHE_LABELS.role] === "saved")
    .map((labels) => labels[CACHE_LABELS.key]).sort();
  assert.deepEqual(keys, ["a", "b"]);
});

test("a cache that Docker cannot save costs the cache, not the build", async () => {
  const fake = fakeDocker();
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  const starting = context(fake, "1", { spec });
  await startContainer(starting, planFor(starting), IMAGE, DAEMON);
  Object.assign(fake.docker, {
    createVolume: () => Promise.reject(new DockerError("disk full", { status: 500 })),
  });
  const stopping = context(fake, "1", { spec, results: SUCCEEDED });
  assert.equal((await stopContainer(stopping)).success, true);
  assert.ok((await stopping.lines()).includes("system Cannot save cache deps: disk full"));
});

test("services that ran are heard to their end before they are removed, and no other ones", async () => {
  const heard = async (spec: object, results: Record<string, DriverResult>) => {
    const fake = fakeDocker({ printed: "bye\n" });
    const labels = { ...runLabels("me", "r"), [LABELS.kind]: "service" };
    fake.add(serviceName("r", "db"), labels);
    fake.networks.set(containerName("r"), runLabels("me", "r"));
    const stopping = context(fake, "r", { spec, results });
    assert.equal((await stopContainer(stopping)).success, true);
    assert.deepEqual([fake.containers.size, fake.networks.size], [0, 0]);
    return (await stopping.lines()).filter((line) => line === "stdout db | bye").length;
  };
  const services = [{ name: "db", image: "postgres:17" }];
  assert.equal(await heard({ services }, SUCCEEDED), 1);
  assert.equal(await heard({ services }, { "container-start": { success: false, message: "" } }), 0);
  assert.equal(await heard({ services: [] }, SUCCEEDED), 0);
  assert.equal(await heard({ services: "db" }, SUCCEEDED), 0);
});

test("a cache whose daemon is away while it is saved costs the cache, and a fault of ours is told", async () => {
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  const saving = async (error: Error) => {
    const fake = fakeDocker();
    const starting = context(fake, "1", { spec });
    await startContainer(starting, planFor(starting), IMAGE, DAEMON);
    Object.assign(fake.docker, { now: () => Promise.reject(error) });
    const stopping = context(fake, "1", { spec, results: SUCCEEDED });
    const result = await stopContainer(stopping).catch((error: Error) => error);
    return { result, lines: await stopping.lines() };
  };
  const away = await saving(new Retryable("Docker is away", { reason: "docker-unreachable" }));
  assert.ok(away.lines.includes("system Cannot save cache deps: Docker is away"), away.lines.join());
  const ours = new TypeError("ours");
  assert.equal((await saving(ours)).result, ours);
});

test("two layers of one cache are of attempts of which one was overtaken, so neither is saved", async () => {
  const fake = fakeDocker();
  const spec = { cache: [{ name: "deps", path: "/cache" }] };
  const starting = context(fake, "1", { spec });
  await startContainer(starting, planFor(starting), IMAGE, DAEMON);
  const [layer] = [...fake.volumes].filter(([, labels]) => labels[CACHE_LABELS.role] === "layer");
  assert.ok(layer);
  fake.volumes.set("conveyor-cache-second", layer[1]);
  const stopping = context(fake, "1", { spec, results: SUCCEEDED });
  await stopContainer(stopping);
  assert.deepEqual(roles(fake), []);
});

test("a cache of another scope or name is left where one is saved, and the branch is kept for the default one only", async () => {
  const fake = fakeDocker();
  const cache = [{ name: "deps", path: "/cache" }, { name: "more", path: "/more" }];
  await run(fake, "1", { cache });
  await run(fake, "2", { cache, ref: "dev" });
  await run(fake, "3", { cache, ref: "dev" });
  const saved = [...fake.volumes.values()].filter((labels) => labels[CACHE_LABELS.role] === "saved")
    .map((labels) =>
      [labels[CACHE_LABELS.name], labels[CACHE_LABELS.scope], labels[CACHE_LABELS.branch]].join()
    );
  assert.deepEqual(saved.sort(), [
    "deps,default,refs/heads/main",
    "deps,ref:dev,",
    "more,default,refs/heads/main",
    "more,ref:dev,",
  ]);
});

test("what was fetched is kept whatever became of the build, if the clone says that it added to it", async () => {
  const clone = (mirror: string) => ({ "git-cloner": done({ ref: "refs/heads/main", mirror }) });
  const failed = { builder: { success: false, message: "" } };
  const mirrored = async (results: Record<string, DriverResult>[]) => {
    const fake = fakeDocker();
    const lines: string[] = [];
    for (const [i, given] of results.entries()) {
      const policy = testPolicy({ gitMirror: true });
      const starting = context(fake, `${i}`, { policy });
      await startContainer(starting, planFor(starting), IMAGE, DAEMON);
      const stopping = context(fake, `${i}`, { policy, results: given });
      await stopContainer(stopping);
      lines.push(...await stopping.lines());
    }
    return { roles: roles(fake), lines };
  };
  const changed = { ...SUCCEEDED, ...clone("changed") };
  assert.deepEqual((await mirrored([{ ...changed, ...failed }])).roles, ["layer", "saved"]);
  assert.deepEqual((await mirrored([changed, changed])).roles, ["layer", "layer", "saved"]);
  assert.deepEqual((await mirrored([{ ...SUCCEEDED, ...clone("none") }])).roles, []);
  assert.deepEqual((await mirrored([SUCCEEDED])).roles, []);
  const failedClone = { ...changed, "git-cloner": { ...changed["git-cloner"], success: false } };
  assert.deepEqual((await mirrored([failedClone])).roles, []);
  const used = await mirrored([changed, { ...SUCCEEDED, ...clone("used") }]);
  assert.deepEqual(used.roles, ["layer", "saved"]);
  assert.deepEqual(used.lines.filter((line) => line.includes("Saved")), ["system Saved the git mirror"]);
});

test("a cache whose key has a hash of files is saved under what the builder found, and not without it", async () => {
  const hash = "0".repeat(32);
  const spec = { cache: [{ name: "deps", path: "/cache", key: { prefix: "v1", files: ["*.lock"] } }] };
  const saved = async (data: unknown) => {
    const fake = fakeDocker();
    const { lines } = await run(fake, "1", spec, { ...SUCCEEDED, builder: done(data) });
    return [roles(fake).join(), lines.find((line) => line.includes("Saved"))];
  };
  assert.deepEqual(await saved({ caches: { deps: `v1-${hash}` } }), [
    "layer,saved",
    `system Saved cache deps, key v1-${hash}`,
  ]);
  for (const data of [{}, { caches: {} }, { caches: { deps: `v2-${hash}` } }, { caches: { deps: "v1-x" } }]) {
    assert.deepEqual(await saved(data), ["", undefined]);
  }
});

test("a build's container is resumed after a clone, also where Docker cannot remove the container that cloned", async () => {
  const fake = fakeDocker();
  const build = fake.add(idleName("r"), runLabels("me", "r"));
  fake.add(gitContainerName("r"), runLabels("me", "r"));
  await fake.docker.pause(build.id);
  Object.assign(fake.docker, { remove: () => Promise.reject(new DockerError("busy", { status: 500 })) });
  await assert.rejects(endGitContainer(context(fake, "r")), /busy/);
  assert.equal(fake.containers.get(build.id)?.state, "running");
});

test("a container whose processes Docker cannot list is removed all the same, and the log says so", async () => {
  const fake = fakeDocker();
  const processes = () => Promise.reject(new DockerError("ps: not found", { status: 500 }));
  Object.assign(fake.docker, { processes });
  fake.add(idleName("r"), runLabels("me", "r"));
  const stopping = context(fake, "r", { results: SUCCEEDED });
  assert.equal((await stopContainer(stopping)).success, true);
  assert.equal(fake.containers.size, 0);
  assert.deepEqual(await stopping.lines(), [
    "system Cannot end the build's processes, removing the container with them: ps: not found",
  ]);
});

test("processes are ended before a container is removed, unless the last command left none and nothing ran since", async () => {
  const builder = (alone: unknown) => done({ commands: [{ command: "one" }, { command: "two", alone }] });
  const left = [1, 2, 3].map((pid) => ({ pid, command: "sleep 600", isKilled: false, seconds: 1 }));
  for (
    const [isEnded, results] of [
      [false, { ...SUCCEEDED, builder: builder(true) }],
      [true, { ...SUCCEEDED, builder: builder(true), "unit-report": done() }],
      [true, { ...SUCCEEDED, builder: builder(false) }],
      [true, { ...SUCCEEDED, builder: { ...builder(true), success: false } }],
      [true, { ...SUCCEEDED, builder: done({ commands: [{ command: "one", alone: true }, {}] }) }],
      [true, SUCCEEDED],
      [true, {}],
    ] as const
  ) {
    const fake = fakeDocker();
    fake.docker.processes = () => Promise.resolve(left);
    const { id } = fake.add(containerName("r"), runLabels("me", "r"));
    await stopContainer(context(fake, "r", { results }));
    const terms = fake.ran.filter(({ command }) => command.at(-1)?.startsWith("kill -TERM"));
    assert.equal(terms.length, isEnded ? 1 : 0, JSON.stringify(results));
    assert.deepEqual(fake.did, [`remove ${id}`]);
  }
});
