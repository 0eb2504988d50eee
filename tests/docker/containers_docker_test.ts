import assert from "node:assert/strict";
import { join } from "node:path";
import {
  askDaemon,
  idleSpec,
  inContainer,
  realDocker,
  run,
  TEST_IMAGE,
  uniqueLabel,
  until,
} from "./real-docker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("create limits a container in what it may do and use", () =>
  inContainer(async (docker, container) => {
    const { stdout } = await run(
      docker,
      container,
      `cat /proc/1/comm
      grep -E '^(CapBnd|CapEff|NoNewPrivs)' /proc/1/status
      cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null
      cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null
      echo "$GREETING"; pwd; id -un; touch /workspace/file && echo written; ls /var/run/docker.sock 2>&1`,
    );
    assert.deepEqual(stdout.toString().trim().split("\n"), [
      "docker-init",
      // Bits 0 and 5: CHOWN and KILL.
      "CapEff:\t0000000000000021",
      "CapBnd:\t0000000000000021",
      "NoNewPrivs:\t1",
      String(256 * 1024 ** 2),
      "200",
      "hello",
      "/workspace",
      "root",
      "written",
      "ls: cannot access '/var/run/docker.sock': No such file or directory",
    ]);
    const { HostConfig: host, Config: config } = await askDaemon("GET", `/containers/${container}/json`) as {
      HostConfig: Record<string, unknown>;
      Config: Record<string, unknown>;
    };
    assert.equal(host.MemorySwap, host.Memory);
    assert.equal(host.NanoCpus, 1_500_000_000);
    assert.equal(host.Privileged, false);
    assert.deepEqual(host.LogConfig, { Type: "none", Config: {} });
    assert.deepEqual(host.RestartPolicy, { Name: "no", MaximumRetryCount: 0 });
    assert.equal(host.NetworkMode, "none");
    assert.equal(host.Binds, null);
    assert.deepEqual(config.Healthcheck, { Test: ["NONE"] });
    assert.equal(config.Tty, false);
  }, { env: { GREETING: "hello" }, cpus: 1.5 }));

test("create gives a container all privileges where it is told to", async () => {
  // Not started: a daemon that lacks privileges itself cannot.
  await using docker = realDocker();
  const container = await docker.create(idleSpec({ privileged: true }));
  try {
    const { HostConfig: host } = await askDaemon("GET", `/containers/${container}/json`) as {
      HostConfig: Record<string, unknown>;
    };
    assert.equal(host.Privileged, true);
  } finally {
    await docker.remove(container);
  }
});

test("create runs a container as the user it is told", () =>
  inContainer(async (docker, container) => {
    assert.equal((await docker.inspect(container))?.user, "65534:65534");
    const status = await run(docker, container, "grep -E '^(Uid|Gid)' /proc/1/status; id -u");
    assert.equal(
      status.stdout.toString(),
      "Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\n65534\n",
    );
  }, { user: "65534:65534" }));

test("create refuses a taken name with 409 and an unknown image with 404, and makes nothing", async () => {
  await using docker = realDocker();
  const spec = idleSpec();
  const container = await docker.create(spec);
  try {
    await assert.rejects(docker.create(spec), { name: "DockerError", status: 409 });
    const other = idleSpec({ image: "conveyor-test-there-is-no-such-image" });
    await assert.rejects(docker.create(other), { name: "DockerError", status: 404 });
    assert.equal(await docker.inspect(other.name), undefined);
    assert.deepEqual(await docker.volumes(other.labels), []);
  } finally {
    await docker.remove(container);
  }
});

test("start leaves a container that runs as it is", () =>
  inContainer(async (docker, container) => {
    const idles = async () =>
      (await docker.processes(container)).some(({ command }) => command === "sleep 3600");
    await until(idles);
    const before = await docker.processes(container);
    await docker.start(container);
    assert.deepEqual(await docker.processes(container), before);
  }));

test("inspect and list tell what a container is, and by whose labels it is found", async () => {
  await using docker = realDocker();
  const labels = { ...uniqueLabel(), "conveyor.test.other": "a=b" };
  const before = await docker.now();
  const env = { GREETING: "a=b", EMPTY: "" };
  const specs = [idleSpec({ labels, env }), idleSpec({ labels, env, user: "7" })];
  const ids: string[] = [];
  try {
    for (const spec of specs) ids.push(await docker.create(spec));
    await docker.start(ids[1] ?? "");
    const inspected = await Promise.all(specs.map(({ name }) => docker.inspect(name)));
    const volumes = inspected.map((found) => found?.volumes["/workspace"]);
    const expected = specs.map(({ name, user = "" }, i) => ({
      id: ids[i],
      name,
      image: TEST_IMAGE,
      labels,
      state: i === 0 ? "created" : "running",
      user,
      createdAt: inspected[i]?.createdAt,
      env,
      volumes: { "/workspace": volumes[i] },
    }));
    assert.deepEqual(inspected, expected);
    assert.deepEqual(new Set(volumes), new Set((await docker.volumes(labels)).map(({ name }) => name)));
    assert.deepEqual(await Promise.all(ids.map((id) => docker.inspect(id))), inspected);
    const after = await docker.now();
    for (const { createdAt = 0 } of expected) assert.ok(createdAt >= before && createdAt <= after);
    const listed = await docker.list(labels);
    assert.deepEqual(
      ids.map((id) => listed.find((one) => one.id === id)),
      expected.map(({ id, name, labels, state, volumes, createdAt = 0 }) => ({
        id,
        name,
        labels,
        state,
        createdSecond: Math.floor(createdAt / 1000),
        volumes,
      })),
    );
    const [key = "", value = ""] = Object.entries(labels)[0] ?? [];
    assert.equal((await docker.list({ [key]: value })).length, 2);
    assert.ok((await docker.list({ [key]: "" })).length >= 2);
    assert.deepEqual(await docker.list({ ...labels, [key]: "other" }), []);
    assert.deepEqual(await docker.list({ ...labels, "conveyor.test.missing": "" }), []);
  } finally {
    for (const id of ids) await docker.remove(id);
  }
  assert.deepEqual(await docker.list(labels), []);
  assert.equal(await docker.inspect(ids[0] ?? ""), undefined);
});

test("rename gives a container another name to one of many callers only", async () => {
  await using docker = realDocker();
  const spec = idleSpec();
  const container = await docker.create(spec);
  try {
    const name = `${spec.name}-other`;
    const answers = await Promise.all(Array.from({ length: 8 }, () => docker.rename(container, name)));
    assert.equal(answers.filter((isDone) => isDone).length, 1);
    assert.equal((await docker.inspect(container))?.name, name);
    assert.equal(await docker.rename(container, name), false);
    const second = await docker.create(idleSpec());
    try {
      assert.equal(await docker.rename(second, name), false);
    } finally {
      await docker.remove(second);
    }
    assert.equal(await docker.rename("conveyor-test-gone", name), false);
  } finally {
    await docker.remove(container);
  }
});

test("attach hears a container from its first word to its end, and lets go of it", async () => {
  await using docker = realDocker();
  const command = ["echo first; echo second >&2; exec sleep 3600"];
  const container = await docker.create(idleSpec({ command, env: { GREETING: "hello", PATH: undefined } }));
  try {
    const attached = await docker.attach(container);
    await docker.start(container);
    let said = "";
    for await (const { stream, data } of attached.output) {
      said += `${stream} ${Buffer.from(data)}`;
      // Which of the two comes first is the daemon's choice.
      if (said.includes("first") && said.includes("second")) attached.detach();
    }
    assert.ok(said.includes("stdout first\n") && said.includes("stderr second\n"), said);
    assert.equal((await docker.inspect(container))?.state, "running");
    assert.deepEqual((await docker.inspect(container))?.env, { GREETING: "hello" });
    const ending = await docker.attach(container);
    await docker.kill(container);
    for await (const _ of ending.output);
  } finally {
    await docker.remove(container);
  }
  await assert.rejects(docker.attach("conveyor-test-gone"), { name: "DockerError", status: 404 });
});

test("list leaves out what is removed while it looks", async () => {
  await using docker = realDocker();
  const labels = uniqueLabel();
  const ids = await Promise.all(Array.from({ length: 4 }, () => docker.create(idleSpec({ labels }))));
  const removing = Promise.all(ids.map((id) => docker.remove(id)));
  let left: number;
  do left = (await docker.list(labels)).length; while (left > 0);
  await removing;
});

test("processes lists the whole commands, and nothing where nothing runs", async () => {
  await using docker = realDocker();
  const container = await docker.create(idleSpec());
  try {
    assert.deepEqual(await docker.processes(container), []);
    await docker.start(container);
    const exec = await docker.exec(container, { command: ["sleep", "1234"] });
    const runs = async (wanted: string) =>
      (await docker.processes(container)).some(({ command }) => command === wanted);
    await until(async () => await runs("sleep 3600") && await runs("sleep 1234"));
    const processes = await docker.processes(container);
    // Both, and the init above them.
    assert.equal(processes.length, 3);
    assert.ok(processes.every(({ pid }) => Number.isInteger(pid) && pid > 0));
    exec.detach();
  } finally {
    await docker.remove(container);
  }
});

test("kill ends every process and answers false where nothing runs", () =>
  inContainer(async (docker, container) => {
    const exec = await docker.exec(container, { command: ["sh", "-c", "trap '' TERM; echo up; sleep 3600"] });
    for await (const _ of exec.output) {
      assert.equal(await docker.kill(container), true);
    }
    await until(async () => (await docker.inspect(container))?.state === "exited");
    assert.deepEqual(await docker.processes(container), []);
    assert.equal(await docker.kill(container), false);
    assert.equal(await docker.kill("conveyor-test-gone"), false);
  }));

test("unpause lets a paused container go on, and does nothing where somebody else has done that", () =>
  inContainer(async (docker, container) => {
    await docker.pause(container);
    assert.equal((await docker.inspect(container))?.state, "paused");
    await docker.unpause(container);
    await docker.unpause(container);
    assert.equal((await docker.inspect(container))?.state, "running");
    await assert.rejects(docker.unpause("conveyor-nobody"), { name: "DockerError", status: 404 });
  }));

test("remove takes the unnamed volume along and is done only when all is gone", async () => {
  await using docker = realDocker();
  const spec = idleSpec();
  const container = await docker.create(spec);
  await docker.start(container);
  const volumes = await docker.volumes(spec.labels);
  assert.equal(volumes.length, 1);
  assert.deepEqual(volumes[0]?.labels, spec.labels);
  await assert.rejects(docker.removeVolume(volumes[0]?.name ?? ""), { name: "DockerError", status: 409 });
  assert.equal(await docker.remove(container), true);
  assert.equal(await docker.inspect(container), undefined);
  assert.deepEqual(await docker.volumes(spec.labels), []);
  assert.equal(await docker.remove(container), false);
  assert.equal(await docker.removeVolume(volumes[0]?.name ?? ""), false);
});

test("remove may be called by many at once", async () => {
  await using docker = realDocker();
  const spec = idleSpec();
  const container = await docker.create(spec);
  await docker.start(container);
  const answers = await Promise.all(Array.from({ length: 8 }, async () => {
    const removed = await docker.remove(container);
    assert.equal(await docker.inspect(container), undefined);
    return removed;
  }));
  assert.ok(answers.includes(true));
  assert.deepEqual(await docker.volumes(spec.labels), []);
});

test("changes tells of every change of a labelled container, also of those since a time", async () => {
  await using docker = realDocker();
  const labels = uniqueLabel();
  const sinceMs = await docker.now();
  const listening = new AbortController();
  let heard = 0;
  const hearing = (async () => {
    for await (const _ of docker.changes(labels, { sinceMs, signal: listening.signal })) heard++;
  })();
  const container = await docker.create(idleSpec({ labels }));
  await docker.start(container);
  await until(() => Promise.resolve(heard === 2));
  await docker.remove(container);
  await until(() => Promise.resolve(heard === 4));
  listening.abort(new Error("enough"));
  await assert.rejects(hearing, /enough/);
  let again = 0;
  for await (const _ of docker.changes(labels, { sinceMs })) if (++again === 4) break;
});

test("createVolume makes a volume that is found by label, and leaves one of that name as it is", async () => {
  await using docker = realDocker();
  const [first, second] = [uniqueLabel(), { other: "label" }];
  // Both runtimes run this test, perhaps in the same millisecond.
  const name = `conveyor-test-${first["conveyor.test"]}`;
  try {
    const from = await docker.now();
    await docker.createVolume({ name, labels: first });
    await docker.createVolume({ name, labels: second });
    const mountpoint = join((await docker.info()).rootFolder, "volumes", name, "_data");
    const found = await docker.volumes(first);
    const createdAt = found[0]?.createdAt ?? 0;
    assert.deepEqual(found, [{ name, labels: first, mountpoint, createdAt }]);
    // The daemon tells whole seconds.
    assert.ok(createdAt > from - 1000 && createdAt <= await docker.now());
    // The daemon measures for one at a time, and refuses others meanwhile.
    const bytes = () => docker.volumeBytes().catch(() => undefined);
    await until(async () => (await bytes())?.get(name) === 0, "the daemon has measured the volume");
  } finally {
    assert.equal(await docker.removeVolume(name), true);
  }
});

test("createNetwork makes a bridge that is found by label, and isolated where that is asked for", async () => {
  await using docker = realDocker();
  const labels = uniqueLabel();
  const [open, isolated] = [
    `conveyor-test-${labels["conveyor.test"]}`,
    `conveyor-test-${labels["conveyor.test"]}-i`,
  ];
  const ids: string[] = [];
  try {
    ids.push(await docker.createNetwork({ name: open, labels, isolated: false }));
    ids.push(await docker.createNetwork({ name: isolated, labels, isolated: true }));
    const found = (await docker.networks(labels)).sort((a, b) => a.name.localeCompare(b.name));
    assert.deepEqual(found.map(({ createdAt: _, ...network }) => network), [
      { id: ids[0], name: open, labels },
      { id: ids[1], name: isolated, labels },
    ]);
    const age = await docker.now() - (found[0]?.createdAt ?? 0);
    assert.ok(age >= 0 && age < 60_000, String(age));
    assert.deepEqual(await docker.network(open), { id: ids[0], labels, isolated: false });
    assert.deepEqual(await docker.network(isolated), { id: ids[1], labels, isolated: true });
    await assert.rejects(docker.createNetwork({ name: open, labels, isolated: true }), {
      name: "DockerError",
      status: 409,
    });
    const options = async (id = "") => (await askDaemon("GET", `/networks/${id}`)).Options;
    assert.deepEqual(await options(ids[0]), {});
    assert.deepEqual(await options(ids[1]), { "com.docker.network.bridge.enable_icc": "false" });
  } finally {
    for (const id of ids) assert.equal(await docker.removeNetwork(id), true);
  }
  assert.equal(await docker.removeNetwork(ids[0] ?? ""), false);
  assert.equal(await docker.network(open), undefined);
  assert.deepEqual(await docker.networks(labels), []);
});

test("info and now tell what the daemon is", async () => {
  await using docker = realDocker();
  const info = await docker.info();
  assert.ok(info.id && info.name && /^\d+\./.test(info.version));
  assert.ok(info.cpus >= 1 && info.memory > 1024 ** 3);
  // Here the daemon's clock is ours.
  const before = Date.now();
  const now = await docker.now();
  assert.ok(before - 1 <= now && now <= Date.now() + 1, `${before} ${now}`);
});

test("inspectImage knows an image by its name and its id, and says so where there is none", async () => {
  await using docker = realDocker();
  const image = await docker.inspectImage(TEST_IMAGE);
  assert.match(image?.id ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.equal(image?.user, "");
  assert.ok(image?.architecture);
  assert.deepEqual(await docker.inspectImage(image?.id ?? ""), image);
  assert.equal(await docker.inspectImage("conveyor-test-there-is-no-such-image"), undefined);
  assert.ok((await docker.imageNames()).includes(TEST_IMAGE));
  await assert.rejects(docker.inspectImage("../info"), { name: "InputError" });
});

test("events tells what the kernel has killed for memory, and who was killed through the daemon, since a time", () =>
  inContainer(async (docker, container) => {
    const before = await docker.now();
    const events = (reference: string, since: number) => docker.events(reference, since, ["oom", "kill"]);
    assert.deepEqual(await events(container, before), []);
    const { exitCode } = await run(docker, container, ["tail", "/dev/zero"]);
    assert.equal(exitCode, 137);
    await until(async () => (await events(container, before)).includes("oom"));
    assert.deepEqual(await events(container, await docker.now() + 1), []);
    assert.deepEqual(await events("conveyor-test-other", before), []);
    await docker.kill(container);
    await until(async () => (await events(container, before)).includes("kill"));
  }, { memory: 64 * 1024 ** 2 }));
