import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { fillCaches } from "../../lib/build/cache/fill.ts";
import { cacheScopes } from "../../lib/build/cache/scope.ts";
import { CACHE_LABELS } from "../../lib/build/cache/volumes.ts";
import { prepareCaches } from "../../lib/build/cache/prepare.ts";
import { withCaches } from "../../lib/build/cache/with-caches.ts";
import { containerName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { removeRun } from "../../lib/build/remove.ts";
import { DockerError, type MountSpec } from "../../lib/docker/docker.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { DAEMON, fakeDocker, IMAGE, planFor } from "./fake-docker.ts";

const SPEC = {
  repository: "https://example.org/a.git",
  image: "i",
  commands: ["x"],
  cache: [{ name: "npm", path: "/npm" }],
};

interface World {
  /** Layers of the saved cache, the topmost first; none is saved without any. */
  readonly layers?: string[];
  /** Whether a container with these mounts starts. */
  readonly starts?: (mounts: readonly MountSpec[]) => boolean;
  readonly error?: Error;
  readonly fake?: ReturnType<typeof fakeDocker>;
  readonly docker?: object;
}

const kindOf = (mounts: readonly MountSpec[]) =>
  mounts.some((mount) => "overlay" in mount && mount.overlay.changes)
    ? "layer"
    : mounts.length > 1
    ? "copy"
    : "empty";

async function start({ layers = ["one"], starts = () => true, docker = {}, ...given }: World = {}) {
  const { fake = fakeDocker({ exec: () => 0 }), error = new DockerError("cannot mount", { status: 500 }) } =
    given;
  const context = stepContext(fake.docker, SPEC, {
    run: `r${fake.did.length}`,
    settings: testSettings({ owner: "me" }),
    policy: testPolicy(),
  });
  const plan = planFor(context);
  const { project } = cacheScopes(plan, context.policy, []);
  const identity = {
    [LABELS.owner]: "me",
    [CACHE_LABELS.project]: project,
    [CACHE_LABELS.name]: "npm",
    [CACHE_LABELS.scope]: "default",
  };
  for (const layer of layers) {
    fake.volumes.set(`conveyor-cache-${layer}`, { ...identity, [CACHE_LABELS.role]: "layer" });
  }
  const [top, ...below] = layers.map((layer) => `conveyor-cache-${layer}`);
  if (top !== undefined) {
    fake.volumes.set("conveyor-cache-x-saved", {
      ...identity,
      [CACHE_LABELS.role]: "saved",
      [CACHE_LABELS.top]: top,
      [CACHE_LABELS.below]: below.join(","),
    });
  }
  Object.assign(fake.docker, docker);
  const tried: string[] = [];
  const made = await withCaches(context, plan, { daemon: DAEMON, labels: runLabels("me", context.run) }, {
    create: async (prepare) => {
      const { mounts, labels } = await prepare();
      return await fake.docker.create({ name: `c-${context.run}`, labels, mounts } as never);
    },
    start: (id) => {
      const mounts = fake.containers.get(id)?.spec?.mounts ?? [];
      tried.push(kindOf(mounts));
      return starts(mounts) ? Promise.resolve() : Promise.reject(error);
    },
  }).catch((error: Error) => error);
  const container = [...fake.containers.values()].at(-1);
  const saved = [...fake.volumes.keys()].filter((name) => name.endsWith("-saved"));
  const lines = (await context.lines()).map((line) => line.replace(/^system /, ""));
  return { made, tried, container, saved, lines, fake, context, image: IMAGE };
}

test("a saved cache is mounted as a layer, and a container's label says which volumes its caches are written to", async () => {
  const { tried, container, lines, saved } = await start();
  assert.deepEqual(tried, ["layer"]);
  const layers = JSON.parse(container?.labels[CACHE_LABELS.layers] ?? "{}");
  assert.match(layers["/npm"], /^conveyor-cache-/);
  assert.match(lines[0] ?? "", /^Cache npm at \/npm: of the default branch, saved .* ago, 1 layer$/);
  assert.equal(saved.length, 1);
  const none = await start({ layers: [] });
  assert.deepEqual(none.tried, ["empty"]);
  assert.deepEqual(none.lines, ["Cache npm at /npm: empty, nothing is saved yet"]);
});

test("a layer of an earlier attempt that is still in use is left alone, and fails nothing", async () => {
  const fake = fakeDocker();
  const { context } = await start({ fake });
  const { docker, run } = context;
  const labels = runLabels("me", run);
  const prepare = async () => await prepareCaches(context, planFor(context), { mode: "layer", labels });
  const [before] = await prepare();
  const names = [before?.layer ?? "", `${before?.layer}-work`];
  fake.add("somebody", {}, { volumes: { "/layer": names[0] ?? "", "/work": names[1] ?? "" } });
  const [after] = await prepare();
  assert.ok(after?.base && after.layer !== before?.layer && fake.volumes.has(after.layer));
  const [third] = await prepare();
  assert.deepEqual([third?.layer, third?.mounts], [after.layer, after.mounts]);
  fake.add(containerName(run), labels);
  assert.equal(await removeRun(docker, { owner: "me", run, signal: context.signal }), true);
  assert.deepEqual(names.map((name) => fake.volumes.has(name)), [true, true]);
  assert.equal(fake.volumes.has(after.layer), false);
});

test("a cache of twelve layers is copied into one, and one of fewer is not", async () => {
  const layers = (count: number) => Array.from({ length: count }, (_, i) => `l${i}`);
  assert.deepEqual((await start({ layers: layers(11) })).tried, ["layer"]);
  const { tried, container, lines } = await start({ layers: layers(12) });
  assert.deepEqual(tried, ["copy"]);
  assert.match(lines[0] ?? "", /, 12 layers$/);
  const [own, from] = container?.spec?.mounts ?? [];
  assert.equal(own?.target, "/npm");
  assert.ok(from && "overlay" in from && from.overlay.lower.length === 12 && !from.overlay.changes);
  const one = await start({ starts: (mounts) => kindOf(mounts) === "copy" });
  assert.deepEqual(one.container?.spec?.mounts?.[1], {
    target: "/.conveyor-caches/0",
    isReadOnly: true,
    name: "conveyor-cache-one",
  });
});

test("where Docker cannot mount a layer the cache is copied, and nothing of the first try is left", async () => {
  const { tried, fake, saved, made, lines } = await start({
    starts: (mounts) => kindOf(mounts) === "copy",
  });
  assert.ok(!(made instanceof Error));
  assert.deepEqual(tried, ["layer", "copy"]);
  assert.equal(lines.length, 1, "the cache is told of once");
  assert.equal(fake.containers.size, 1);
  assert.equal(saved.length, 1);
  const roles = [...fake.volumes.values()].map((labels) => labels[CACHE_LABELS.role]).sort();
  assert.deepEqual(roles, ["layer", "layer", "saved"]);
});

test("a daemon that refuses layers twice is not asked for them again for a while, and one that takes them is", async () => {
  const fake = fakeDocker();
  const copying = { fake, starts: (mounts: readonly MountSpec[]) => kindOf(mounts) === "copy" };
  assert.deepEqual((await start(copying)).tried, ["layer", "copy"]);
  assert.deepEqual((await start({ fake })).tried, ["layer"]);
  assert.deepEqual((await start(copying)).tried, ["layer", "copy"]);
  assert.deepEqual((await start(copying)).tried, ["layer", "copy"]);
  assert.deepEqual((await start(copying)).tried, ["copy"]);
});

test("a cache with which no container starts is dropped, and the build goes on with an empty one", async () => {
  const { tried, saved, lines, made, fake } = await start({ starts: (mounts) => kindOf(mounts) === "empty" });
  assert.ok(!(made instanceof Error) && made.caches.every(({ base }) => base === undefined));
  assert.deepEqual([tried, saved], [["layer", "copy", "empty"], []]);
  assert.deepEqual(lines, ["Cache npm: dropped, Docker cannot use it: cannot mount"]);
  assert.equal(fake.containers.size, 1);
});

test("a cache of which a layer is gone is dropped, and its line says so", async () => {
  const fake = fakeDocker();
  await start({ fake, layers: ["one", "two"] });
  fake.volumes.delete("conveyor-cache-two");
  const { made, lines, saved, tried } = await start({ fake, layers: [] });
  assert.ok(!(made instanceof Error));
  assert.deepEqual([tried, saved], [["empty"], []]);
  assert.deepEqual(lines, [
    "Cache npm: dropped, a volume that it needs is gone",
    "Cache npm at /npm: empty, nothing is saved yet",
  ]);
});

test("a cache that cannot even be dropped costs a line, and no build", async () => {
  const fake = fakeDocker();
  const { removeVolume } = fake.docker;
  const starts = (mounts: readonly MountSpec[]) => kindOf(mounts) === "empty";
  const refusing = (error: Error) => ({
    removeVolume: (name: string) => name.endsWith("-saved") ? Promise.reject(error) : removeVolume(name),
  });
  const docker = refusing(new DockerError("in use", { status: 409 }));
  const { made, lines, saved } = await start({ fake, starts, docker });
  assert.ok(!(made instanceof Error));
  assert.equal(lines.at(-1), "The caches cannot be dropped: in use");
  assert.equal(saved.length, 1);
  const ours = await start({ starts, docker: refusing(new TypeError("ours")) });
  assert.match(`${ours.made}`, /TypeError: ours/);
});

test("an error that no cache can have caused is told at once", async () => {
  const never = () => false;
  const refused = new DockerError("no such image", { status: 404 });
  const without = await start({ layers: [], starts: never, error: refused });
  assert.deepEqual([without.made, without.tried], [refused, ["empty"]]);
  const ours = new TypeError("ours");
  const other = await start({ starts: never, error: ours });
  assert.deepEqual([other.made, other.tried], [ours, ["layer"]]);
  const wrapped = new StepFailure("Cannot start", { reason: "container-failed", cause: refused });
  assert.deepEqual((await start({ starts: never, error: wrapped })).tried, ["layer", "copy", "empty"]);
});

test("a cache that is replaced while a run chooses it is chosen again, and its layer is not left behind", async () => {
  const fake = fakeDocker();
  const { volumes } = fake.docker;
  let looks = 0;
  const docker = {
    // Whoever looks a second time finds it replaced.
    volumes: async (labels: Record<string, string>) => {
      const found = await volumes(labels);
      return ++looks === 2 ? found.filter(({ name }) => !name.endsWith("-saved")) : found;
    },
  };
  const { tried, lines } = await start({ fake, docker });
  assert.deepEqual(tried, ["empty"]);
  assert.deepEqual(lines, ["Cache npm at /npm: empty, nothing is saved yet"]);
  const layers = [...fake.volumes.values()].filter((labels) => labels[CACHE_LABELS.role] !== "saved");
  // The saved one's, and the run's own.
  assert.equal(layers.length, 2);
});

test("copied caches are filled before the build, and one that cannot be is said to be dropped", async () => {
  const fill = async (exitCode: number) => {
    const fake = fakeDocker({ exec: () => ({ exitCode, stdout: "no space\n" }) });
    const { made, context, lines: _, ...world } = await start({
      fake,
      starts: (mounts) => kindOf(mounts) === "copy",
    });
    assert.ok(!(made instanceof Error));
    fake.docker.start(made.id);
    const again = stepContext(fake.docker, SPEC, { run: context.run, settings: context.settings });
    await fillCaches(again, made.id, made.caches, world.image);
    return { ran: fake.ran, lines: await again.lines() };
  };
  const { ran, lines } = await fill(0);
  assert.deepEqual(ran[0]?.command.slice(-2), ["/.conveyor-caches/0", "/npm"]);
  assert.deepEqual([ran[0]?.user, ran[0]?.workdir, lines], ["0", "/", []]);
  assert.deepEqual((await fill(1)).lines, ["system Cache npm: dropped, it cannot be copied: no space"]);
});
