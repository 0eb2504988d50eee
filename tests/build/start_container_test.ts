import assert from "node:assert/strict";
import { test } from "node:test";
import { startContainer } from "../../lib/build/container.ts";
import { containerName, idleName, LABELS, runLabels, serviceName } from "../../lib/build/labels.ts";
import { stepContext } from "../support/step-context.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { DAEMON, fakeDocker, type FakeOptions, IMAGE, planFor } from "./fake-docker.ts";

const MIB = 1024 ** 2;
const SETTINGS = testSettings({ owner: "me", slots: 2 });

/** Starts the container of a spec on a daemon. */
async function start(
  spec: object,
  { fake = fakeDocker(), policy = {}, image = {}, settings = {}, deadline = undefined }: {
    fake?: ReturnType<typeof fakeDocker>;
    policy?: Parameters<typeof testPolicy>[0];
    image?: FakeOptions["image"];
    settings?: Parameters<typeof testSettings>[0];
    deadline?: number | undefined;
  } = {},
) {
  const whole = { repository: "https://example.org/app.git", image: "gcc:14", commands: ["make"], ...spec };
  const context = stepContext(fake.docker, whole, {
    run: "r",
    deadline,
    policy: testPolicy({ allowPrivileged: true, allowKeep: true, allowNetworks: ["lan"], ...policy }),
    settings: { ...SETTINGS, ...settings },
  });
  const plan = planFor(context);
  const id = await startContainer(context, plan, { ...IMAGE, ...image }, DAEMON).catch((error: Error) =>
    error
  );
  const created = id instanceof Error ? undefined : fake.containers.get(id)?.spec;
  return { ...fake, id, created, lines: await context.lines() };
}

test("a run's container has its labels, its limits, no rights, and says all that in the log", async () => {
  const { created, lines, networks, did } = await start({ timeout: "30m" });
  assert.ok(created);
  const { labels, volume, ...spec } = created;
  const { [LABELS.event]: event, ...rest } = labels;
  assert.match(event ?? "", /^r\//);
  assert.deepEqual(rest, {
    ...runLabels("me", "r"),
    [LABELS.resource]: "app",
    [LABELS.type]: "flutter-builder",
    [LABELS.resourceId]: "r",
    [LABELS.user]: "",
    [LABELS.memory]: String(4096 * MIB),
    [LABELS.expires]: String(DAEMON.now + 1_800_000 + 3_600_000),
    [LABELS.keep]: "never",
    [LABELS.kind]: "build",
    [LABELS.env]: "{}",
  });
  assert.deepEqual(volume, { target: "/workspace", labels });
  assert.deepEqual(
    [spec.name, spec.image, spec.user, spec.workdir, spec.privileged, spec.pids, spec.memory, spec.cpus],
    [idleName("r"), "gcc:14", "0", "/workspace", false, 4096, 4096 * MIB, undefined],
  );
  assert.equal(spec.network, "conveyor");
  assert.deepEqual([...networks.keys()], ["conveyor"]);
  assert.match(
    lines.at(-1) ?? "",
    /^system Container conveyor-\w+: image gcc:14 \(0123456789ab\), user root, memory 4\.0 GiB and no swap, cpus all, pids 4096, network isolated bridge, no new privileges, capabilities chown /,
  );
  // It was announced while it started.
  assert.equal(did.filter((what) => what.includes("volume conveyor-starts-")).length, 2);
});

test("a container expires after its run, if whoever submitted the run gave it more time than its spec", async () => {
  const hours = 6 * 3_600_000;
  const { created } = await start({ timeout: "30m" }, { deadline: Date.now() + hours });
  const expires = Number(created?.labels[LABELS.expires]) - DAEMON.now - 3_600_000;
  assert.ok(expires > hours - 60_000 && expires <= hours, `${expires} ms`);
  const shorter = (await start({ timeout: "30m" }, { deadline: Date.now() + 1000 })).created;
  assert.equal(Number(shorter?.labels[LABELS.expires]) - DAEMON.now, 1_800_000 + 3_600_000);
});

test("a spec may ask for less than the operator allows, and gets no more than that", async () => {
  const limits = { cpus: 2, memory: "512m", pids: 100 };
  const asked = (await start({ limits, keep: "failure", network: "lan", privileged: true })).created;
  assert.deepEqual([asked?.cpus, asked?.memory, asked?.pids, asked?.network, asked?.privileged], [
    ...[2, 512 * MIB, 100, "lan", true],
  ]);
  assert.equal(asked?.labels[LABELS.expires], String(DAEMON.now + 3_600_000 + 24 * 3_600_000));
  const policy = { maxMemory: 256 * MIB, maxCpus: 1, maxPids: 50 };
  const least = (await start({}, { policy })).created;
  assert.deepEqual([least?.cpus, least?.memory, least?.pids], [1, 256 * MIB, 50]);
  const alone = (await start({}, { settings: { slots: undefined } })).created;
  assert.equal(alone?.memory, 8192 * MIB);
});

test("the workspace belongs to the user of the build, whoever names that", async () => {
  for (const [spec, image, user] of [[{ user: "1000" }, {}, "1000"], [{}, { user: "dev" }, "dev"]] as const) {
    const { ran, created } = await start(spec, { image });
    assert.equal(created?.labels[LABELS.user], user);
    assert.deepEqual(ran.map(({ command, user }) => [command, user]), [[["chown", user, "/workspace"], "0"]]);
  }
  assert.deepEqual((await start({})).ran, []);
  const failed = await start({ user: "nobody" }, { fake: fakeDocker({ exec: () => 1 }) });
  assert.match(`${failed.id}`, /Cannot give \/workspace to the user "nobody": chown exited with 1/);
});

test("variables of the image that steer programs are withheld from the container's first process", async () => {
  const image = { env: { LD_PRELOAD: "/x.so", LANG: "C" } };
  const { created } = await start({}, { image });
  assert.deepEqual(created?.env, { LD_PRELOAD: undefined });
  assert.equal(created?.labels[LABELS.env], '{"LD_PRELOAD":"/x.so"}');
});

test("what an earlier attempt has left is removed, and a stranger's container is not", async () => {
  for (const name of [containerName("r"), idleName("r")]) {
    const fake = fakeDocker();
    fake.add(name, runLabels("me", "r"));
    const { id, did } = await start({}, { fake });
    assert.equal(id, `id-${idleName("r")}`);
    assert.ok(did.indexOf(`remove id-${name}`) < did.indexOf(`create ${idleName("r")}`), did.join());
  }
  const serviced = fakeDocker();
  serviced.add(idleName("r"), runLabels("me", "r"));
  serviced.add(serviceName("r", "db"), { ...runLabels("me", "r"), [LABELS.kind]: "service" });
  const services = [{ name: "db", image: "postgres:17" }];
  const again = await start({ services }, { fake: serviced });
  assert.deepEqual(again.did.filter((what) => what.startsWith("remove id-")).sort(), [
    `remove id-${idleName("r")}`,
    `remove id-${serviceName("r", "db")}`,
  ]);
  // The earlier one went before there was a network, which would have gone with it.
  assert.deepEqual([again.id, [...again.networks.keys()]], [`id-${idleName("r")}`, [containerName("r")]]);

  const fake = fakeDocker();
  fake.add(idleName("r"), runLabels("other", "r"));
  const { id, did } = await start({}, { fake });
  assert.match(`${id}`, /Its name "conveyor-\w+" is taken by a container that is not ours/);
  assert.ok(!did.some((what) => what.startsWith("remove id-")), did.join());
});

test("a refusal of the daemon says whether the image has gone meanwhile", async () => {
  const { DockerError } = await import("../../lib/docker/docker.ts");
  for (
    const [status, image, reason] of [[404, undefined, "image-not-found"], [404, IMAGE, "container-failed"], [
      500,
      undefined,
      "container-failed",
    ]] as const
  ) {
    const fake = fakeDocker();
    Object.assign(fake.docker, {
      create: () => Promise.reject(new DockerError("no", { status })),
      inspectImage: () => Promise.resolve(image),
    });
    const { id } = await start({}, { fake });
    assert.deepEqual([(id as Error).message, (id as Error & { reason: string }).reason], [
      "Cannot create the container: no",
      reason,
    ]);
  }
});

test("an image without a shell, or that ends at once, is named", async () => {
  const ending = (said: string, more: object = {}) => {
    const fake = fakeDocker();
    const output = (async function* () {
      yield { stream: "stdout", data: Buffer.from(said) };
    })();
    Object.assign(fake.docker, { attach: () => Promise.resolve({ output, detach() {} }), ...more });
    return fake;
  };
  const exists = () => Promise.resolve(false);
  const shell = ending("no such file\n", { exists });
  assert.match(`${(await start({}, { fake: shell })).id}`, /The image "gcc:14" has no \/bin\/sh/);
  const ends = ending("exec format error\n");
  const { id } = await start({}, { fake: ends, image: { architecture: "arm64" } });
  assert.match(
    `${id}`,
    /cannot run \/bin\/sh, which every step needs: exec format error \(the image is for arm64, and Docker runs on amd64\)/,
  );
});

test("a container that somebody removes while it starts is lost, whatever its image has", async () => {
  // Before it has said that it is ready, and while its files are looked at.
  for (const call of ["start", "exists"]) {
    const fake = fakeDocker();
    const output = (async function* () {})();
    Object.assign(fake.docker, {
      attach: () => Promise.resolve({ output, detach() {} }),
      exists: (id: string) => Promise.resolve(fake.containers.has(id)),
      [call]: (id: string) => fake.docker.remove(id).then(() => false),
    });
    const { id } = await start({}, { fake });
    assert.deepEqual([(id as Error).message, (id as Error & { reason: string }).reason], [
      "The container was removed while it started",
      "container-lost",
    ]);
  }
});

test("a build that asks for no memory leaves its services their part, but keeps half of its own share", async () => {
  const fake = () => fakeDocker();
  const of = async (memory: string) => {
    const services = [{ name: "db", image: "postgres:17", limits: { memory } }];
    const { created } = await start({ services }, { fake: fake() });
    return [(created?.memory ?? 0) / MIB, Number(created?.labels[LABELS.memory]) / MIB];
  };
  // Of 8 GiB for two slots, each has 4.
  assert.deepEqual(await of("1g"), [3072, 4096]);
  assert.deepEqual(await of("2g"), [2048, 4096]);
  assert.deepEqual(await of("3g"), [2048, 5120]);
});
