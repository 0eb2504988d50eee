import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { LABELS, runLabels, serviceName } from "../../lib/build/labels.ts";
import { logServices } from "../../lib/build/services/log.ts";
import { provideServiceImages, startServices } from "../../lib/build/services/start.ts";
import { DockerError, type ExecSpec } from "../../lib/docker/docker.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { type Answer, fakeDocker, planFor } from "./fake-docker.ts";

const LABELS_OF_BUILD = { ...runLabels("me", "r"), [LABELS.user]: "1000", [LABELS.memory]: "7" };
const DB = { name: "db", image: "postgres:17" };

/** The kernel's table of sockets, with these ports that something listens on. */
const listeningOn = (...ports: number[]): Answer => ({
  stdout: ports.map((port) => `0: 00000000:${port.toString(16).toUpperCase()} 0:0 0A 0\n`).join(""),
});

interface World {
  readonly services?: object[];
  readonly exec?: (spec: ExecSpec, container: string) => Answer | Promise<Answer>;
  readonly printed?: string;
  readonly secrets?: Record<string, string>;
  readonly docker?: object;
  readonly signal?: AbortSignal;
}

async function start({ services = [DB], exec, printed, secrets = {}, docker = {}, signal }: World = {}) {
  const fake = fakeDocker({ ...exec && { exec }, ...printed !== undefined && { printed } });
  Object.assign(fake.docker, docker);
  const spec = {
    repository: "https://example.org/a.git",
    image: "i",
    commands: ["x"],
    services,
    secrets: Object.keys(secrets),
  };
  const context = stepContext(fake.docker, spec, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1 }),
    secrets,
    ...signal && { signal },
  });
  const given = { network: "net", labels: LABELS_OF_BUILD };
  const thrown = await startServices(context, planFor(context), given).then(
    () => undefined,
    (error) => error,
  );
  return {
    ...fake,
    thrown,
    failure: thrown instanceof StepFailure ? `${thrown.reason}: ${thrown.message}` : undefined,
    states: Object.fromEntries([...fake.containers.values()].map(({ name, state }) => [name, state])),
    created: fake.containers.get(`id-${serviceName("r", "db")}`)?.spec,
    lines: (await context.lines()).map((line) => line.replace(/^system /, "")),
  };
}

test("a service runs in its build's network under its name, with its own variables, limits and no rights", async () => {
  const limits = { cpus: 2, memory: "64m", pids: 50 };
  const env = [{ name: "A", value: "1" }, { name: "B", secret: "KEY" }];
  const secrets = { KEY: "hunter2" };
  const { created, thrown, states, lines } = await start({
    services: [{ ...DB, env, limits, command: ["run", "it"] }],
    secrets,
  });
  assert.equal(thrown, undefined);
  assert.deepEqual(states, { [serviceName("r", "db")]: "running" });
  assert.ok(created);
  const { capabilities, ...rest } = created;
  assert.ok(capabilities.length > 0 && !capabilities.includes("SYS_ADMIN"));
  assert.deepEqual(rest, {
    name: serviceName("r", "db"),
    image: "postgres:17",
    labels: {
      ...LABELS_OF_BUILD,
      [LABELS.kind]: "service",
      [LABELS.memory]: String(64 * 1024 ** 2),
      [LABELS.user]: "",
    },
    command: ["run", "it"],
    env: { A: "1", B: "hunter2" },
    network: "net",
    aliases: ["db"],
    keepsLog: true,
    privileged: false,
    pids: 50,
    memory: 64 * 1024 ** 2,
    cpus: 2,
  });
  assert.match(
    lines.join(),
    /^Service db: image postgres:17, memory 64\.0 MiB, pids 50, healthy after \d+\.\d+ m?s$/,
  );
  const plain = (await start()).created;
  assert.deepEqual([plain?.command, plain && "cpus" in plain], [undefined, false]);
});

test("a service is healthy once something listens on all its ports and its command exits with 0", async () => {
  const looks = [listeningOn(), listeningOn(5432), listeningOn(5432, 8080), listeningOn(5432, 8080)];
  const codes = [1, 0];
  const seen: string[] = [];
  const { thrown } = await start({
    services: [{ ...DB, ports: [5432, 8080], health: { command: "pg_isready" } }],
    exec: ({ command, user }) => {
      seen.push(`${command.join(" ")} ${user ?? ""}`);
      return command[0] === "cat" ? looks.shift() ?? 0 : codes.shift() ?? 0;
    },
  });
  assert.equal(thrown, undefined);
  assert.deepEqual([looks, codes], [[], []]);
  assert.deepEqual([...new Set(seen)], ["cat /proc/net/tcp /proc/net/tcp6 0", "/bin/sh -c pg_isready "]);
  const words = await start({
    services: [{ ...DB, health: { command: ["is", "ready"] } }],
    exec: ({ command }) => command.join() === "is,ready" ? 0 : 1,
  });
  assert.equal(words.thrown, undefined);
});

test("a service that is not healthy in time fails the build, with what lacked last and what it printed", async () => {
  const timeout = "200ms";
  const within = "was not healthy within 0.20 s";
  const cases: [service: object, exec: (spec: ExecSpec) => Answer, why: string][] = [
    [{ ports: [5432, 8080] }, () => listeningOn(5432), "nothing listens on port 8080"],
    [
      { health: {} },
      () => ({ exitCode: 3, stderr: "a\nnot yet\n" }),
      "its health command exited with 3: not yet",
    ],
    [{ health: {} }, () => ({ exitCode: 3, stdout: "so\n" }), "its health command exited with 3: so"],
    [{ health: {} }, () => 3, "its health command exited with 3"],
    [
      { health: {} },
      () => ({ exitCode: 1, stderr: "x".repeat(300) }),
      `its health command exited with 1: ${"x".repeat(200)}`,
    ],
    [{ health: {} }, () => ({ hangs: true }), "its health command did not end"],
    [{ ports: [5432] }, () => ({ hangs: true }), "the look at its ports did not end"],
  ];
  for (const [more, exec, why] of cases) {
    const health = { command: "ready", timeout };
    const { failure, lines, states } = await start({
      services: [{ ...DB, ...more, health }],
      exec,
      printed: "no disk\n",
    });
    assert.equal(failure, `service-failed: The service "db" ${within}: ${why}`);
    assert.deepEqual(lines, ["The end of what the service db has printed:", "stdout db | no disk"]);
    // Its output has an end.
    assert.deepEqual(Object.values(states), ["exited"]);
  }
});

test("a look that the deadline cuts off says less than a whole one of before", async () => {
  const health = { command: "ready", timeout: "300ms" };
  const cut = async (ports: number[], answers: Answer[]) => {
    const { failure } = await start({
      services: [{ ...DB, ports, health }],
      exec: () => answers.shift() ?? { hangs: true },
    });
    return failure?.replace(/^.*0\.30 s: /, "");
  };
  assert.equal(
    await cut([], [{ exitCode: 3, stderr: "not yet" }]),
    "its health command exited with 3: not yet",
  );
  assert.equal(await cut([1], [listeningOn()]), "nothing listens on port 1");
  assert.equal(await cut([1], [listeningOn(), listeningOn(1)]), "its health command did not end");
});

test("a service that ends, or that Docker does not start, is named with the reason", async () => {
  const ended = await start({ docker: { inspect: () => Promise.resolve({ state: "exited" }) } });
  assert.equal(ended.failure, 'service-failed: The service "db" ended before it was healthy');
  assert.deepEqual(ended.lines, ["The service db has printed nothing"]);
  const withEnd = async (end: object) =>
    (await start({ docker: { inspect: () => Promise.resolve({ state: "exited", end }) } })).failure;
  assert.match(await withEnd({ exitCode: 3, isOutOfMemory: false }) ?? "", /healthy: it exited with 3$/);
  assert.match(
    await withEnd({ exitCode: 137, isOutOfMemory: true }) ?? "",
    /healthy: it needs more memory than its 1\.0 GiB$/,
  );
  const gone = await start({ docker: { inspect: () => Promise.resolve(undefined) } });
  assert.equal(gone.failure, 'service-failed: The service "db" ended before it was healthy');
  for (const call of ["create", "start"]) {
    const refusing = { [call]: () => Promise.reject(new DockerError("no such image", { status: 404 })) };
    const { failure, thrown } = await start({ docker: refusing });
    assert.equal(failure, 'service-failed: Cannot start the service "db": no such image');
    assert.ok(thrown.cause instanceof DockerError);
    const broken = await start({ docker: { [call]: () => Promise.reject(new TypeError("ours")) } });
    assert.match(`${broken.thrown}`, /TypeError: ours/);
  }
});

test("a container in which nothing can be started yet is looked at again", async () => {
  const answers = [() => Promise.reject(new DockerError("starting", { status: 409 })), () => 0];
  const health = { command: "ready", timeout: "30s" };
  const again = await start({ services: [{ ...DB, health }], exec: () => (answers.shift() ?? (() => 0))() });
  assert.equal(again.thrown, undefined);
  assert.deepEqual(answers, []);
  const never = await start({
    services: [{ ...DB, health: { command: "ready", timeout: "200ms" } }],
    exec: () => Promise.reject(new DockerError("no shell", { status: 400 })),
  });
  assert.match(never.failure ?? "", /was not healthy within 0\.20 s: no shell$/);
  const broken = await start({
    services: [{ ...DB, health }],
    exec: () => Promise.reject(new TypeError("ours")),
  });
  assert.match(`${broken.thrown}`, /TypeError: ours/);
});

test("a service that fails ends the wait for the others, and a step that is told to stop ends it too", async () => {
  const waits = { name: "slow", image: "i", health: { command: "slow", timeout: "1h" } };
  const exec = ({ command }: ExecSpec): Answer => command.at(-1) === "slow" ? { hangs: true } : 1;
  const failing = { ...DB, health: { command: "x", timeout: "100ms" } };
  const { failure } = await start({ services: [waits, failing], exec });
  assert.match(failure ?? "", /The service "db" was not healthy/);
  const stop = new AbortController();
  const reason = new Error("told to stop");
  const { thrown } = await start({
    services: [waits],
    signal: stop.signal,
    exec: () => {
      stop.abort(reason);
      return { hangs: true };
    },
  });
  assert.equal(thrown, reason);
});

test("each image of the services is provided once", async () => {
  const images: string[] = [];
  const { docker } = fakeDocker();
  Object.assign(docker, {
    inspectImage: (image: string) => {
      images.push(image);
      return Promise.resolve({});
    },
  });
  const services = [DB, { ...DB, name: "again" }, { name: "mq", image: "rabbitmq:4" }];
  const context = stepContext(docker, {
    repository: "https://example.org/a.git",
    image: "i",
    commands: ["x"],
    services,
  });
  await provideServiceImages(context, planFor(context));
  assert.deepEqual(images, ["postgres:17", "rabbitmq:4"]);
});

test("what the run's services printed is logged by name, and nobody else's", async () => {
  const fake = fakeDocker({ printed: "one\n\ntwo\n" });
  const labels = { ...runLabels("me", "r"), [LABELS.kind]: "service" };
  for (const name of ["b", "a"]) fake.add(serviceName("r", name), labels);
  fake.add("with-labels", labels);
  fake.add(serviceName("s", "other"), { ...runLabels("me", "s"), [LABELS.kind]: "service" });
  const context = stepContext(fake.docker, {}, { run: "r", settings: testSettings({ owner: "me" }) });
  await logServices(context);
  assert.deepEqual(
    await context.lines(),
    ["a", "b"].flatMap((name) => [
      `system The end of what the service ${name} has printed:`,
      `stdout ${name} | one`,
      `stdout ${name} | two`,
    ]),
  );
  const running = [...fake.containers.values()].filter(({ state }) => state === "running");
  assert.deepEqual(running.map(({ name }) => name), ["with-labels", serviceName("s", "other")]);
});

test("the last thousand lines of a service are logged", async () => {
  const printed = Array.from({ length: 1001 }, (_, i) => `line ${i}\n`).join("");
  const fake = fakeDocker({ printed });
  fake.add(serviceName("r", "db"), { ...runLabels("me", "r"), [LABELS.kind]: "service" });
  const context = stepContext(fake.docker, {}, { run: "r", settings: testSettings({ owner: "me" }) });
  await logServices(context);
  const lines = await context.lines();
  assert.equal(lines.length, 1001);
  assert.equal(lines[1], "stdout db | line 1");
});
