import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { runCommands } from "../../lib/build/commands.ts";
import type { ContainerProcess } from "../../lib/docker/docker.ts";
import { containerName, idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { requireContainer } from "../../lib/build/step.ts";
import { DockerError, type ExecSpec } from "../../lib/docker/docker.ts";
import { stepContext } from "../support/step-context.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { type Answer, fakeDocker, planFor } from "./fake-docker.ts";

const CHECKOUT = { commit: "c0ffee", ref: "refs/heads/main" };

interface World {
  readonly spec?: object;
  readonly secrets?: Record<string, string>;
  readonly exec?: (spec: ExecSpec) => Answer | Promise<Answer>;
  /** Whether a command ends what keeps the container. */
  readonly isKept?: () => boolean;
  readonly processes?: () => readonly ContainerProcess[];
  readonly name?: string;
  readonly labels?: Record<string, string>;
}

async function build(
  { spec = {}, secrets = {}, exec, isKept = () => true, processes, name, labels = {} }: World = {},
) {
  const fake = fakeDocker({ ...exec && { exec } });
  Object.assign(fake.docker, {
    processes: () =>
      Promise.resolve(
        processes
          ? processes()
          : isKept()
          ? [{ command: "sleep 2147483647", isKilled: false, seconds: 1 }]
          : [],
      ),
  });
  const container = fake.add(name ?? idleName("r"), { ...runLabels("me", "r"), ...labels });
  const whole = { repository: "https://example.org/app.git", image: "gcc:14", commands: ["make"], ...spec };
  const context = stepContext(fake.docker, whole, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1 }),
    policy: testPolicy({ allowKeep: true }),
    secrets,
  });
  const results = await runCommands(context, container, planFor(context), CHECKOUT)
    .catch((error: StepFailure) => error);
  const failure = results instanceof Error ? results : undefined;
  return { ...fake, results, failure, lines: await context.lines() };
}

test("commands run in order in one environment, as the build's user, and their ends are told", async () => {
  const { results, ran, lines } = await build({
    spec: {
      commands: ["make", ["ctest", "-V"]],
      env: [{ name: "CI", value: "yes" }, { name: "A", value: "1" }],
    },
    secrets: { KEY: "hunter2" },
    labels: { [LABELS.user]: "1000", [LABELS.env]: '{"LD_PRELOAD":"/x.so"}' },
  });
  assert.ok(Array.isArray(results));
  assert.deepEqual(results.map(({ command, exitCode }) => [command, exitCode]), [["make", 0], [
    "ctest -V",
    0,
  ]]);
  for (const { seconds } of results) assert.match(String(seconds), /^\d+(\.\d{1,3})?$/);
  assert.deepEqual(ran.map(({ command }) => command), [["/bin/sh", "-ec", "make"], ["ctest", "-V"]]);
  for (const { env, user, workdir } of ran) {
    assert.deepEqual([user, workdir], ["1000", "/workspace"]);
    assert.deepEqual(env, {
      LD_PRELOAD: "/x.so",
      CI: "yes",
      CONVEYOR_RUN: "r",
      CONVEYOR_COMMIT: "c0ffee",
      CONVEYOR_REF: "refs/heads/main",
      A: "1",
      KEY: "hunter2",
    });
  }
  assert.deepEqual(lines.filter((line) => line.includes("$")), ["system $ make", "system $ ctest -V"]);
  assert.equal(lines.filter((line) => /^system Done in /.test(line)).length, 2);
});

test("the last command that succeeds says whether it left processes", async () => {
  const keeper = { pid: 2, command: "sleep 2147483647", isKilled: false, seconds: 1 };
  const init = { ...keeper, pid: 1, command: "/sbin/docker-init -- /bin/sh" };
  const left = { ...keeper, pid: 3, command: "sleep 600" };
  for (const [processes, alone] of [[[init, keeper], true], [[init, keeper, left], false]] as const) {
    const { results } = await build({ spec: { commands: ["one", "two"] }, processes: () => processes });
    assert.ok(Array.isArray(results));
    assert.deepEqual(results.map(({ command, alone }) => [command, alone]), [["one", undefined], [
      "two",
      alone,
    ]]);
  }
});

test("the first command that fails ends the build, with its exit code and what ran before", async () => {
  const { failure, ran } = await build({
    spec: { commands: ["one", "two", "three"] },
    exec: ({ command }) => command.at(-1) === "two" ? 7 : 0,
  });
  assert.equal(failure?.message, "`two` exited with 7");
  assert.equal(failure?.reason, "command-failed");
  const { exitCode, commands } = failure?.data as { exitCode: number; commands: { command: string }[] };
  assert.deepEqual([exitCode, commands.map(({ command }) => command)], [7, ["one", "two"]]);
  assert.ok(!ran.some(({ command }) => command.at(-1) === "three"));
});

test("a build begins once: a second attempt ends what still runs, and repeats no command", async () => {
  const { failure, ran, did } = await build({ name: containerName("r") });
  assert.equal(failure?.reason, "driver-lost");
  assert.deepEqual(ran, []);
  const begun = await build();
  assert.deepEqual(begun.did, [`rename id-${idleName("r")} ${containerName("r")}`]);
  assert.deepEqual(did, []);
});

test("a container that has ended is the loss of the driver where a build had begun in it", async () => {
  for (const [name, reason] of [[idleName("r"), "container-lost"], [containerName("r"), "driver-lost"]]) {
    const fake = fakeDocker();
    fake.add(name ?? "", runLabels("me", "r"), { state: "exited" });
    const context = stepContext(fake.docker, {}, { run: "r", settings: testSettings({ owner: "me" }) });
    await assert.rejects(requireContainer(context), { reason, message: /does not run: it is exited$/ });
  }
});

test("a stranger's container of the build's name keeps it from beginning", async () => {
  const fake = fakeDocker();
  fake.add(containerName("r"), runLabels("other", "r"));
  const container = fake.add(idleName("r"), runLabels("me", "r"));
  const context = stepContext(fake.docker, {
    repository: "https://example.org/a.git",
    image: "i",
    commands: ["x"],
  }, {
    run: "r",
    settings: testSettings({ owner: "me" }),
  });
  await assert.rejects(runCommands(context, container, planFor(context), CHECKOUT), {
    reason: "container-failed",
    message: /Another container has the name/,
  });
});

test("a command whose container was killed has failed, also where it says otherwise", async () => {
  let isKept = true;
  const kill = (answer: Answer) => () => {
    isKept = false;
    return answer;
  };
  for (const exitCode of [0, 126]) {
    isKept = true;
    const { failure } = await build({ isKept: () => isKept, exec: kill(exitCode) });
    assert.equal((failure?.data as { exitCode: number }).exitCode, 137, `${exitCode}`);
  }
  isKept = true;
  const gone = () => {
    isKept = false;
    throw new DockerError("is not running", { status: 409 });
  };
  const { failure } = await build({ isKept: () => isKept, exec: gone });
  assert.equal((failure?.data as { exitCode: number }).exitCode, 137);
  // Not the last command: the next one would tell.
  isKept = true;
  const { failure: own } = await build({ isKept: () => isKept, exec: kill(3) });
  assert.equal((own?.data as { exitCode: number }).exitCode, 3);
});

test("a command that Docker cannot start, and one that is cut off, are told with their words", async () => {
  const refuse = () => Promise.reject(new DockerError("no such user", { status: 400 }));
  const { failure, lines } = await build({ exec: refuse });
  assert.match(failure?.message ?? "", /^`make` exited with 126: /);
  assert.ok(lines.includes("system Docker cannot run it: no such user"), lines.join("\n"));
  const away = () => Promise.reject(new Retryable("Cannot reach Docker", { reason: "docker-unreachable" }));
  const cut = await build({ exec: away });
  assert.deepEqual([cut.failure?.message, cut.failure?.reason], ["`make` was cut off", "docker-unreachable"]);
});

test("a folder that is not there, and a PATH that nobody expands, are said before the first command", async () => {
  const fake = await build({ spec: { env: [{ name: "PATH", value: "/opt/bin:$PATH" }] } });
  assert.match(fake.lines.join("\n"), /The variable PATH is "\/opt\/bin:\$PATH" as it stands/);
  assert.ok(
    !(await build({ spec: { env: [{ name: "PATH", value: "/opt/bin" }] } })).lines.join().includes("PATH"),
  );
  const missing = fakeDocker();
  Object.assign(missing.docker, { exists: () => Promise.resolve(false) });
  const container = missing.add(idleName("r"), runLabels("me", "r"));
  const spec = { repository: "https://example.org/a.git", image: "i", commands: ["x"], workdir: "sub" };
  const context = stepContext(missing.docker, spec, { run: "r" });
  await assert.rejects(runCommands(context, container, planFor(context), CHECKOUT), {
    message: "The folder /workspace/sub does not exist in the workspace",
  });
});
