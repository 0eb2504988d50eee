import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { evictCaches } from "../../lib/build/cache/evict.ts";
import { CACHE_LABELS, readCacheVolumes, savedName } from "../../lib/build/cache/volumes.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { waitForRoom } from "../../lib/build/room.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { needing } from "../support/needs.ts";
import { testPolicy } from "../support/settings.ts";
import { removeObjectsOf, testDocker } from "../support/step-context.ts";
import { build, repository, settings } from "./build.ts";

const { after, test } = needing("Docker");
const { signal } = new AbortController();
const PATH = "/var/cache/test";

/** Those that builds here have had. */
const owners = new Set([settings.owner]);

const app = repository({ "a.txt": "one\n", "lock.json": "1\n" });
after(async () => {
  app[Symbol.dispose]();
  for (const owner of owners) await removeObjectsOf(owner);
});

/** A whole build. Answers the lines of all its steps, and fails with them where it should not. */
async function run(spec: object, given: { owner?: string; fails?: boolean } = {}): Promise<string> {
  const said: string[] = [];
  owners.add(given.owner ?? settings.owner);
  const mine = given.owner === undefined ? {} : { settings: { ...settings, owner: given.owner } };
  await build({ repository: app.path, network: "none", commands: ["true"], ...spec }, async ({ step }) => {
    for (const driver of [containerStart, gitCloner, builder, containerStop]) {
      const { result, failure, lines } = await step(driver, mine);
      said.push(...lines);
      if (failure) said.push(failure.message);
      if (given.fails && driver === builder) {
        assert.ok(failure, said.join("\n"));
        await step(containerStop, {
          ...mine,
          results: { builder: { success: false, message: "", data: {} } },
        });
        return;
      }
      assert.ok(result?.success, said.join("\n"));
    }
  });
  return said.join("\n");
}

const cache = (name: string, more: object = {}) => [{ name, path: PATH, ...more }];
const volumesOf = async () => {
  await using docker = testDocker();
  return readCacheVolumes(settings.owner, await docker.volumes({ [LABELS.owner]: settings.owner }));
};

test("a build finds what the last one that succeeded has put into its cache", async () => {
  const spec = { cache: cache("kept") };
  assert.match(
    await run({ ...spec, commands: [`test -d ${PATH}; echo 1 >${PATH}/one`] }),
    /^system Saved cache kept$/m,
  );
  const second = await run({ ...spec, commands: [`cat ${PATH}/one; echo 2 >${PATH}/two; rm ${PATH}/one`] });
  assert.match(
    second,
    /^system Cache kept at \/var\/cache\/test: of the default branch, saved .* ago, 1 layer$/m,
  );
  assert.match(second, /^stdout 1$/m);
  const failed = await run({ ...spec, commands: [`echo 3 >${PATH}/three; rm ${PATH}/two; exit 1`] }, {
    fails: true,
  });
  assert.doesNotMatch(failed, /Saved/);
  const last = await run({ ...spec, commands: [`ls ${PATH}`] });
  assert.match(last, /, 2 layers$/m);
  assert.match(last, /^stdout two$/m);
  assert.doesNotMatch(last, /^stdout (?:one|three)$/m);
  const { saved, layers, work } = await volumesOf();
  assert.equal(saved.length, 1);
  assert.deepEqual([...layers.keys()].sort(), [...saved[0]?.layers ?? []].sort());
  assert.deepEqual(work, []);
});

test("builds at once do not see each other's changes, and a build as another user may write", async () => {
  const spec = { cache: cache("shared"), user: "1234:1234" };
  await run({ ...spec, commands: [`echo 0 >${PATH}/file`] });
  await build(
    { repository: app.path, network: "none", ...spec, commands: [`echo 1 >${PATH}/file`] },
    async (one) => {
      await one.step(containerStart);
      const other = await run({ ...spec, commands: [`cat ${PATH}/file; echo 2 >${PATH}/new`] });
      assert.match(other, /^stdout 0$/m);
      await one.step(gitCloner);
      const { result, lines } = await one.step(builder);
      assert.ok(result?.success, lines.join("\n"));
      await one.step(containerStop);
    },
  );
  // The one that ended last is what is saved, as a whole.
  assert.match(await run({ ...spec, commands: [`cat ${PATH}/*`] }), /^stdout 1$/m);
});

test("a build of a ref reads the default branch's cache, and nobody reads a ref's but that ref", async () => {
  const named = cache("scoped");
  await run({ cache: named, commands: [`echo trusted >${PATH}/by`] });
  const stranger = await run({
    cache: named,
    cacheScope: "pull/1",
    commands: [`cat ${PATH}/by; echo evil >${PATH}/by`],
  });
  assert.match(stranger, /^stdout trusted$/m);
  assert.match(await run({ cache: named, commands: [`cat ${PATH}/by`] }), /^stdout trusted$/m);
  assert.match(
    await run({ cache: named, cacheScope: "pull/2", commands: [`cat ${PATH}/by`] }),
    /^stdout trusted$/m,
  );
  assert.match(
    await run({ cache: named, cacheScope: "pull/1", commands: [`cat ${PATH}/by`] }),
    /^stdout evil$/m,
  );
});

test("a build that names the default branch as its ref has the default branch's caches, and writes them", async () => {
  const named = cache("branch");
  await run({ cache: named, commands: [`echo 1 >${PATH}/by`] });
  await run({ cache: named, ref: "main", commands: [`cat ${PATH}/by; echo 2 >${PATH}/by`] });
  assert.match(await run({ cache: named, commands: [`cat ${PATH}/by`] }), /^stdout 2$/m);
});

test("what was cached before is none of the disk that a build takes, and what it writes is", async () => {
  const spec = { cache: cache("disk") };
  await run({ ...spec, commands: [`head -c 40m /dev/zero >${PATH}/old`] });
  const policy = testPolicy({ maxDiskBytes: 20 * 1024 ** 2 });
  await using daemon = testDocker();
  await build(
    // Until it is told to stop, or ends by itself.
    {
      repository: app.path,
      network: "none",
      ...spec,
      commands: ["until [ -e /tmp/end ]; do sleep 0.1; done"],
    },
    async ({ step, container }) => {
      for (const driver of [containerStart, gitCloner]) assert.ok((await step(driver)).result?.success);
      const write = (words: string) => execFileSync("docker", ["exec", container, "sh", "-c", words]);
      const measured: (number | undefined)[] = [];
      const diskBytes: typeof daemon.diskBytes = async (...given) => {
        // Twice, so that whatever the first has led to would have come.
        if (measured.length === 2) write(`head -c 40m /dev/zero >${PATH}/new`);
        const bytes = await daemon.diskBytes(...given);
        measured.push(bytes);
        return bytes;
      };
      const { failure } = await step(builder, { policy, docker: { ...daemon, diskBytes } });
      assert.equal(failure?.reason, "disk-full", failure?.message ?? "");
      assert.deepEqual(measured.map((bytes = 0) => bytes > 40 * 1024 ** 2), [false, false, true]);
    },
  );
});

test("another owner and another repository have caches of their own", async () => {
  using other = repository();
  await run({ cache: cache("own"), commands: [`echo mine >${PATH}/by`] });
  for (
    const [spec, given] of [[{}, { owner: `${settings.owner}-other` }], [
      { repository: other.path },
      {},
    ]] as const
  ) {
    assert.match(
      await run({ cache: cache("own"), commands: [`ls -A ${PATH}`], ...spec }, given),
      /^system Cache own .*: empty, nothing is saved yet$/m,
    );
  }
});

test("a cache with a key is used for that key, or for a fallback, and else is empty", async () => {
  const keyed = (files: string[], more: object = {}) => ({
    cache: cache("keyed", { key: { prefix: "v1", files }, ...more }),
    commands: [`ls ${PATH}; touch ${PATH}/$(cat lock.json)-$(ls ${PATH} | wc -l)`],
  });
  assert.match(await run(keyed(["lock.json"])), /^system Saved cache keyed, key v1-[0-9a-f]{32}$/m);
  const hit = await run(keyed(["lock.json"]));
  assert.match(hit, /^stdout 1-0$/m);
  assert.doesNotMatch(hit, /Saved cache/);
  const missed = await run(keyed(["lock.json", "a.txt"]));
  assert.match(missed, /^system Cache keyed: empty, the saved one belongs to v1-.*, not v1-/m);
  assert.doesNotMatch(missed, /^stdout 1-0$/m);
  const fallback = await run(keyed(["a.txt"], { fallback: ["v1-"] }));
  assert.match(fallback, /^stdout 1-0$/m);
  assert.match(fallback, /^system Saved cache keyed, key v1-/m);
});

test("a key counts every file that its globs choose, however many they are", async () => {
  // Their names alone take more than a captured output may have.
  const names = Array.from({ length: 1300 }, (_, i) => `${"of-many-files".repeat(18)}-${i}`).sort();
  using many = repository(Object.fromEntries(names.map((name) => [name, "same\n"])));
  const sum = createHash("sha256").update("same\n").digest("hex");
  const key = createHash("sha256").update(names.map((name) => `${sum}  ${name}\n`).join("")).digest("hex");
  const said = await run({ repository: many.path, cache: cache("many", { key: { files: ["of-*"] } }) });
  assert.match(said, new RegExp(`^system Saved cache many, key files-${key.slice(0, 32)}$`, "m"));
});

test("a container-start that was lost leaves nothing locked, and the sweep removes what it left", async () => {
  await using docker = testDocker();
  const spec = { cache: cache("crash"), commands: [`ls ${PATH}`] };
  await run({ ...spec, commands: [`touch ${PATH}/here`] });
  const before = await volumesOf();
  const killed = new Error("killed");
  const lost = (wanted: string) => ({
    faultPoint: (point: string) => {
      if (point === wanted) throw killed;
    },
  });
  await build({ repository: app.path, network: "none", ...spec }, async ({ step }) => {
    await assert.rejects(step(containerStart, lost("caches-made")), killed);
    assert.equal((await volumesOf()).layers.size, before.layers.size + 1);
    // Its next attempt and another run both find the cache.
    assert.match(await run(spec), /^stdout here$/m);
    const { lines } = await step(containerStart, { attempt: 2 });
    assert.match(lines.join("\n"), /Cache crash .*layer/);
    await step(containerStart, { attempt: 3 });
  });
  await build({ repository: app.path, network: "none", ...spec }, async ({ step }) => {
    await assert.rejects(step(containerStart, lost("caches-made")), killed);
    const isAlive = () => false;
    await sweep(docker, { owner: settings.owner, isAlive, signal });
  });
  const { saved, layers, work } = await volumesOf();
  assert.deepEqual(new Set(layers.keys()), new Set(saved.flatMap(({ layers }) => layers)));
  assert.deepEqual(work, []);
});

test("a container-stop that was lost before it saved does so at its next attempt", async () => {
  const spec = { cache: cache("stop"), commands: [`touch ${PATH}/here`] };
  await build({ repository: app.path, network: "none", ...spec }, async ({ step, run: id }) => {
    for (const driver of [containerStart, gitCloner, builder]) {
      assert.ok((await step(driver)).result?.success);
    }
    await using docker = testDocker();
    // As after a kill between the two.
    const [container] = await docker.list({ [LABELS.run]: id });
    await docker.remove(container?.id ?? "");
    assert.match((await step(containerStop)).lines.join("\n"), /Saved cache stop/);
  });
  assert.match(await run({ ...spec, commands: [`ls ${PATH}`] }), /^stdout here$/m);
});

test("a damaged cache is dropped with a line, and the build succeeds without it", async () => {
  const spec = { cache: cache("damaged") };
  await run({ ...spec, commands: [`touch ${PATH}/here`] });
  const [top] = (await volumesOf()).saved.find(({ name }) => name === "damaged")?.layers ?? [];
  const folder = (await volumesOf()).layers.get(top ?? "")?.volume.mountpoint ?? "";
  rmSync(folder, { recursive: true });
  const said = await run({ ...spec, commands: [`ls -A ${PATH}; touch ${PATH}/new`] });
  assert.match(said, /^system Cache damaged: dropped, Docker cannot use it: /m);
  assert.match(await run({ ...spec, commands: [`ls ${PATH}`] }), /^stdout new$/m);
});

test("a cache of many layers is copied into one", async () => {
  await using docker = testDocker();
  const spec = { cache: cache("deep") };
  await run({
    ...spec,
    commands: [`mkdir ${PATH}/folder; ln -s folder ${PATH}/link; echo 1 >${PATH}/folder/file`],
  });
  const saved = (await volumesOf()).saved.find(({ name }) => name === "deep");
  assert.ok(saved);
  const [layer] = [...(await volumesOf()).layers.values()].filter(({ name }) => name === "deep");
  const copies = Array.from(
    { length: 11 },
    (_, i) => `conveyor-cache-${crypto.randomUUID().slice(0, 8)}${i}`,
  );
  for (const name of copies) await docker.createVolume({ name, labels: layer?.volume.labels ?? {} });
  const labels = {
    ...saved.volume.labels,
    [CACHE_LABELS.top]: copies[0] ?? "",
    [CACHE_LABELS.below]: [...copies.slice(1), ...saved.layers].join(","),
  };
  await docker.createVolume({ name: savedName(copies[0] ?? "", "test"), labels });
  await docker.removeVolume(saved.volume.name);
  const said = await run({ ...spec, commands: [`cat ${PATH}/link/file`] });
  assert.match(said, /12 layers$/m);
  assert.match(said, /^stdout 1$/m);
  assert.match(await run({ ...spec, commands: [`cat ${PATH}/link/file`] }), /, 1 layer$/m);
});

test("where Docker cannot mount layers, caches are copied", async () => {
  const spec = { cache: cache("copied") };
  await run({ ...spec, commands: [`touch ${PATH}/here`] });
  await using docker = testDocker();
  const asked = { layered: 0, refusals: Infinity };
  const refusing = {
    ...docker,
    create: (spec: Parameters<typeof docker.create>[0], options?: object) => {
      const isLayered = spec.mounts?.some((mount) => "overlay" in mount && mount.overlay.changes);
      if (isLayered && asked.layered++ < asked.refusals) {
        throw new DockerError("failed to mount local volume: invalid argument", { status: 500 });
      }
      return docker.create(spec, options);
    },
  };
  const built = (through: typeof docker, drivers: readonly (typeof builder)[]) =>
    build({ repository: app.path, network: "none", ...spec, commands: [`ls ${PATH}`] }, async ({ step }) => {
      for (const driver of drivers) {
        const { result, lines } = await step(driver, { docker: through });
        assert.ok(result?.success, lines.join("\n"));
        if (driver === builder) assert.match(lines.join("\n"), /^stdout here$/m);
      }
    });
  await built(refusing, [containerStart, gitCloner, builder]);
  assert.equal(asked.layered, 1);
  // One refusal may have been a passing one. After a second one in a row layers are not asked for again.
  for (const expected of [2, 2]) {
    await built(refusing, [containerStart]);
    assert.equal(asked.layered, expected);
  }
  // Another connection, which knows nothing of it, is refused once and then not.
  Object.assign(asked, { layered: 0, refusals: 1 });
  const passing = { ...refusing };
  for (const expected of [1, 2, 3]) {
    await built(passing, [containerStart]);
    assert.equal(asked.layered, expected);
  }
});

test("caches are evicted by size, by age and for a full disk, those used longest ago first", async () => {
  await using docker = testDocker();
  const owner = `test-${crypto.randomUUID()}`;
  const options = { owner, signal };
  for (const name of ["old", "new"]) {
    await run({ cache: cache(name), commands: [`head -c 3m /dev/zero >${PATH}/file`] }, { owner });
  }
  const names = (uses: readonly { saved: { name: string } }[]) => uses.map(({ saved }) => saved.name);
  const limits = { maxBytes: 4 * 1024 ** 2, maxAgeMs: undefined };
  const asked = await evictCaches(docker, limits, { ...options, dryRun: true });
  assert.deepEqual([names(asked.kept), names(asked.evicted)], [["new"], ["old"]]);
  assert.ok((asked.kept[0]?.bytes ?? 0) >= 3 * 1024 ** 2);
  await evictCaches(docker, limits, options);
  const left = readCacheVolumes(owner, await docker.volumes({ [LABELS.owner]: owner }));
  assert.deepEqual([left.saved.map(({ name }) => name), left.layers.size], [["new"], 1]);
  // A disk that can never have as much free.
  const host = {
    docker,
    settings: { ...settings, owner, minFreeBytes: 2 ** 60 },
    inHand: 0,
    runs: [],
    isHere: true,
    askRun: () => Promise.resolve(undefined),
    tell: () => {},
    signal,
  };
  assert.equal(await waitForRoom(host), false);
  assert.deepEqual(await docker.volumes({ [LABELS.owner]: owner }), []);
  await run({ cache: cache("aged") }, { owner });
  assert.deepEqual(names((await evictCaches(docker, { ...limits, maxAgeMs: 60_000 }, options)).kept), [
    "aged",
  ]);
  assert.deepEqual(names((await evictCaches(docker, { ...limits, maxAgeMs: -1 }, options)).evicted), [
    "aged",
  ]);
  assert.deepEqual(await docker.volumes({ [LABELS.owner]: owner }), []);
});
