import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { describeCache, evictCaches, evictUntil } from "../../lib/build/cache/evict.ts";
import { keepCachesSmall } from "../../lib/build/cache/keep-small.ts";
import { freeWithoutCaches } from "../../lib/build/cache/make-room.ts";
import { CACHE_LABELS, readCacheVolumes, type Saved } from "../../lib/build/cache/volumes.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { type DaemonInfo, DockerError } from "../../lib/docker/docker.ts";
import { captureLog } from "../support/process-log.ts";
import { DAEMON, fakeDocker } from "./fake-docker.ts";

const { signal } = new AbortController();
const OWNED = { owner: "me", signal };
const MIB = 1024 ** 2;

interface Cache {
  readonly layers: readonly string[];
  readonly usedAgoMs: number;
  readonly name?: string;
}

/** A daemon with these saved caches, the layers that they need, and a layer of a run that has not ended. */
function host(caches: Record<string, Cache>, { bytes = {} as Record<string, number> } = {}) {
  const fake = fakeDocker();
  const ours = { [LABELS.owner]: "me", [CACHE_LABELS.project]: "p", [CACHE_LABELS.repository]: "app.git" };
  const layer = (name: string, run: string) =>
    fake.volumes.set(`conveyor-cache-${name}`, {
      ...ours,
      [CACHE_LABELS.role]: "layer",
      [CACHE_LABELS.run]: run,
    });
  for (const [name, { layers, usedAgoMs, name: cache = "npm" }] of Object.entries(caches)) {
    for (const one of layers) layer(one, `ended-${one}`);
    const [top = "", ...below] = layers.map((one) => `conveyor-cache-${one}`);
    fake.volumes.set(`conveyor-cache-${name}-saved`, {
      ...ours,
      [CACHE_LABELS.role]: "saved",
      [CACHE_LABELS.name]: cache,
      [CACHE_LABELS.scope]: "ref:dev",
      [CACHE_LABELS.key]: "k",
      [CACHE_LABELS.top]: top,
      [CACHE_LABELS.below]: below.join(","),
      [CACHE_LABELS.used]: String(DAEMON.now - usedAgoMs),
    });
  }
  layer("busy", "works");
  Object.assign(fake.docker, {
    endpoint: "unix:///x",
    volumeBytes: () =>
      Promise.resolve(
        new Map(Object.entries(bytes).map(([name, bytes]) => [`conveyor-cache-${name}`, bytes])),
      ),
  });
  const left = () => [...fake.volumes.keys()].map((name) => name.replace("conveyor-cache-", "")).sort();
  return { ...fake, left };
}

const OLD_AND_NEW = {
  old: { layers: ["o"], usedAgoMs: 2000 },
  shared: { layers: ["s", "base"], usedAgoMs: 1500 },
  fresh: { layers: ["f", "base"], usedAgoMs: 1000 },
};
const ALL = ["base", "busy", "f", "fresh-saved", "o", "old-saved", "s", "shared-saved"];

test("caches that were not used for too long are removed with the layers that nobody else needs", async () => {
  const { docker, left } = host(OLD_AND_NEW);
  const limits = { maxBytes: undefined, maxAgeMs: 1499 };
  const dry = await evictCaches(docker, limits, { ...OWNED, dryRun: true });
  assert.deepEqual(dry.evicted.map(({ saved, bytes }) => [saved.volume.name, bytes]), [
    ["conveyor-cache-shared-saved", undefined],
    ["conveyor-cache-old-saved", undefined],
  ]);
  assert.deepEqual(left(), ALL);
  const { kept } = await evictCaches(docker, limits, OWNED);
  assert.equal(kept.length, 1);
  // A layer of a run that goes on stays.
  assert.deepEqual(left(), ["base", "busy", "f", "fresh-saved"]);
  assert.deepEqual((await evictCaches(docker, { maxBytes: undefined, maxAgeMs: 1500 }, OWNED)).evicted, []);
});

test("caches that take too much are removed, those used longest ago first, and a shared layer counts once", async () => {
  const bytes = { f: 3, base: 4, s: 2, o: 1, e: 0 };
  const caches = { ...OLD_AND_NEW, empty: { layers: ["e"], usedAgoMs: 500 } };
  const limits = [
    [10, []],
    [9, ["old"]],
    [7, ["old", "shared"]],
    [1, ["fresh", "shared"]],
    [0, ["empty", "fresh", "old", "shared"]],
  ] as const;
  for (const [maxBytes, evicted] of limits) {
    const { docker } = host(caches, { bytes });
    const found = await evictCaches(docker, { maxBytes, maxAgeMs: undefined }, OWNED);
    const names = found.evicted.map(({ saved }) =>
      saved.volume.name.replace(/^conveyor-cache-|-saved$/g, "")
    );
    assert.deepEqual(names.sort(), evicted, String(maxBytes));
  }
  const none = host({});
  assert.deepEqual(await evictCaches(none.docker, { maxBytes: 0, maxAgeMs: 0 }, OWNED), {
    evicted: [],
    kept: [],
  });
});

test("a daemon that cannot tell sizes costs no cache, and any other error is told", async () => {
  const { docker, left } = host(OLD_AND_NEW);
  Object.assign(docker, { volumeBytes: () => Promise.reject(new DockerError("busy", { status: 500 })) });
  const { evicted, kept } = await evictCaches(docker, { maxBytes: 1, maxAgeMs: undefined }, OWNED);
  assert.deepEqual([evicted, kept.map(({ bytes }) => bytes)], [[], [undefined, undefined, undefined]]);
  assert.deepEqual(left(), ALL);
  Object.assign(docker, { volumeBytes: () => Promise.reject(new TypeError("ours")) });
  await assert.rejects(evictCaches(docker, { maxBytes: 1, maxAgeMs: undefined }, OWNED), /ours/);
});

test("evictUntil removes one cache after the other until there is enough", async () => {
  const { docker, left } = host(OLD_AND_NEW);
  const answers = [false, true];
  const evicted = await evictUntil(docker, () => Promise.resolve(answers.shift() ?? true), OWNED);
  assert.deepEqual(evicted.map(({ volume }) => volume.name), ["conveyor-cache-old-saved"]);
  assert.deepEqual(left(), ALL.filter((name) => !["o", "old-saved"].includes(name)));
  assert.equal((await evictUntil(docker, () => Promise.resolve(false), OWNED)).length, 2);
  assert.deepEqual(left(), ["busy"]);
});

test("a cache that Docker cannot remove keeps no other one", async () => {
  for (const stuck of ["conveyor-cache-o", "conveyor-cache-old-saved"]) {
    const fixed = () => {
      const one = host(OLD_AND_NEW);
      const remove = one.docker.removeVolume.bind(one.docker);
      const removeVolume = (name: string) =>
        name === stuck ? Promise.reject(new DockerError("volume is in use", { status: 409 })) : remove(name);
      Object.assign(one.docker, { removeVolume });
      return one;
    };
    const all = fixed();
    await assert.rejects(evictCaches(all.docker, { maxBytes: 0, maxAgeMs: undefined }, OWNED), /in use/);
    const one = fixed();
    const told: string[] = [];
    const onFailure = (_: DockerError, name: string) => void told.push(name);
    const evicted = await evictUntil(one.docker, () => Promise.resolve(false), { ...OWNED, onFailure });
    assert.ok(told.length > 0);
    const names = ["conveyor-cache-shared-saved", "conveyor-cache-fresh-saved"];
    for (const name of names) assert.ok(evicted.some(({ volume }) => volume.name === name));
    for (const { left } of [all, one]) {
      assert.deepEqual(left().filter((name) => !["busy", "o", "old-saved"].includes(name)), []);
      assert.ok(left().includes(stuck.replace("conveyor-cache-", "")));
    }
  }
});

test("caches give way where the disk is full, and what was removed is said", async () => {
  await using log = await captureLog();
  const daemon = { ...DAEMON, rootFolder: "/" } as DaemonInfo;
  const enough = host(OLD_AND_NEW);
  const free = await freeWithoutCaches(enough.docker, daemon, { ...OWNED, minFreeBytes: 1 });
  assert.ok((free ?? 0) > 1);
  assert.deepEqual([enough.left(), log.lines], [ALL, []]);
  const full = host(OLD_AND_NEW);
  await freeWithoutCaches(full.docker, daemon, { ...OWNED, minFreeBytes: 2 ** 60 });
  assert.deepEqual(full.left(), ["busy"]);
  assert.equal(log.lines.filter((line) => line.endsWith(": the disk is full")).length, 3);
  const unreadable = host(OLD_AND_NEW);
  const nowhere = { ...daemon, rootFolder: "/no/such/folder" };
  assert.equal(
    await freeWithoutCaches(unreadable.docker, nowhere, { ...OWNED, minFreeBytes: 2 ** 60 }),
    undefined,
  );
  assert.deepEqual(unreadable.left(), ALL);
});

test("caches that cannot be removed are said in the process's log, and a fault of ours is told", async () => {
  await using log = await captureLog();
  const daemon = { ...DAEMON, rootFolder: "/" } as DaemonInfo;
  const { docker } = host(OLD_AND_NEW);
  const errors = [
    new DockerError("in use", { status: 409 }),
    new Retryable("Docker is away", { reason: "docker-unreachable" }),
  ];
  for (const error of errors) {
    Object.assign(docker, { removeVolume: () => Promise.reject(error) });
    assert.ok(await freeWithoutCaches(docker, daemon, { ...OWNED, minFreeBytes: 2 ** 60 }));
  }
  assert.deepEqual(log.lines, [
    "warning: Cannot remove npm of app.git, dev, k: in use",
    "warning: Cannot remove caches: Docker is away",
  ]);
  Object.assign(docker, { removeVolume: () => Promise.reject(new TypeError("ours")) });
  await assert.rejects(freeWithoutCaches(docker, daemon, { ...OWNED, minFreeBytes: 2 ** 60 }), /ours/);
});

test("keepCachesSmall says what it removes, and asks for sizes only once caches have changed", async () => {
  await using log = await captureLog();
  const { docker, left } = host(OLD_AND_NEW, { bytes: { f: 3 * MIB, base: MIB, s: MIB, o: MIB } });
  const { volumeBytes } = docker;
  let measured = 0;
  Object.assign(docker, { volumeBytes: () => (measured++, volumeBytes()) });
  const keep = async (maxBytes: number, maxAgeMs?: number) => {
    const volumes = await docker.volumes({});
    const { saved } = readCacheVolumes("me", volumes);
    await keepCachesSmall(docker, { maxBytes, maxAgeMs }, { ...OWNED, saved });
  };
  await keep(100 * MIB);
  assert.deepEqual([measured, log.lines, left()], [1, [], ALL]);
  await keep(1);
  assert.deepEqual([measured, left()], [1, ALL]);
  await keep(1, 1999);
  assert.deepEqual(log.lines, ["info: Removed cache npm of app.git, dev, k: it was not used for long"]);
  await keep(4 * MIB);
  assert.equal(measured, 2);
  assert.equal(log.lines.at(-1), "info: Removed cache npm of app.git, dev, k: of 1.0 MiB, used longest ago");
  assert.deepEqual(left(), ["base", "busy", "f", "fresh-saved"]);
  await keepCachesSmall(docker, { maxBytes: 0, maxAgeMs: 0 }, { ...OWNED, saved: [] });
  assert.deepEqual(left(), ["base", "busy", "f", "fresh-saved"]);
});

test("keepCachesSmall warns of what it cannot remove, and tries again the next time", async () => {
  await using log = await captureLog();
  const { docker, left } = host(OLD_AND_NEW, { bytes: { f: MIB } });
  const { saved } = readCacheVolumes("me", await docker.volumes({}));
  const remove = docker.removeVolume.bind(docker);
  docker.removeVolume = () => Promise.reject(new DockerError("in use", { status: 409 }));
  await keepCachesSmall(docker, { maxBytes: 0, maxAgeMs: undefined }, { ...OWNED, saved });
  assert.ok(log.lines.includes("warning: Cannot remove npm of app.git, dev, k: in use"), log.lines.join());
  docker.removeVolume = remove;
  await keepCachesSmall(docker, { maxBytes: 0, maxAgeMs: undefined }, { ...OWNED, saved });
  assert.deepEqual(left(), ["busy"]);
});

test("a daemon that did not measure is asked again the next time", async () => {
  const { docker } = host(OLD_AND_NEW, { bytes: { f: MIB } });
  const { saved } = readCacheVolumes("me", await docker.volumes({}));
  const { volumeBytes } = docker;
  let measured = 0;
  const busy = () => (measured++, Promise.reject(new DockerError("busy", { status: 500 })));
  Object.assign(docker, { volumeBytes: busy });
  const limits = { maxBytes: 100 * MIB, maxAgeMs: undefined };
  await keepCachesSmall(docker, limits, { ...OWNED, saved });
  Object.assign(docker, { volumeBytes: () => (measured++, volumeBytes()) });
  for (let i = 0; i < 3; i++) await keepCachesSmall(docker, limits, { ...OWNED, saved });
  assert.equal(measured, 2);
});

test("describeCache names a cache for people", () => {
  const cache = { name: "npm", repository: "app.git", scope: "default", key: "" } as Saved;
  assert.equal(describeCache(cache), "npm of app.git, default");
  assert.equal(describeCache({ ...cache, scope: "ref:dev", key: "k" }), "npm of app.git, dev, k");
  assert.equal(describeCache({ ...cache, name: "git:ab" }), "git mirror of app.git, default");
});
