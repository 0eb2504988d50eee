import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable, StepFailure } from "../../lib/base/errors.ts";
import { containerName, gitContainerName, idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { refusal } from "../../lib/build/refusal.ts";
import { buildStep, checkoutOf, planUnrefused, requireContainer } from "../../lib/build/step.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { StopError } from "../../lib/driver/driver.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { resourceOf, stepContext } from "../support/step-context.ts";
import { fakeDocker, type FakeOptions } from "./fake-docker.ts";

const SPEC = { repository: "https://example.org/a.git", image: "i", commands: ["x"] };
const DONE: DriverResult = { success: true, message: "done" };

interface World {
  readonly spec?: object;
  readonly labels?: Record<string, string>;
  readonly context?: Partial<BuildContext>;
  readonly docker?: object;
  readonly fake?: FakeOptions;
  readonly name?: string;
}

/** Runs a step on a daemon that has the run's container; what is left there afterwards. */
async function step(work: (context: BuildContext) => Promise<DriverResult>, world: World = {}) {
  const fake = fakeDocker(world.fake);
  const { spec = {}, labels = {}, name = containerName("r") } = world;
  fake.add(name, { ...runLabels("me", "r"), [LABELS.keep]: "never", ...labels });
  Object.assign(fake.docker, world.docker);
  const context = stepContext(fake.docker, { ...SPEC, ...spec }, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1 }),
    policy: testPolicy({ allowKeep: true }),
    ...world.context,
  });
  const result = await buildStep(work)(context).catch((error: Error) => error);
  const failure = result instanceof StepFailure ? `${result.reason}: ${result.message}` : undefined;
  return { ...fake, result, failure, left: fake.containers.size, lines: await context.lines() };
}
const failing = (error: unknown) => () => Promise.reject(error);
const alone = { claimed: false };
const FAILED = new StepFailure("no", { reason: "command-failed" });

test("a step of a deleted resource does nothing and says so", async () => {
  const { result } = await step(failing(new Error("worked")), { context: { event: "delete" } });
  assert.ok(!(result instanceof Error) && result.success);
  assert.deepEqual(result.data, { skipped: true });
});

test("a resource without a pipeline is refused beside a Conveyor server only", async () => {
  const resource = { ...resourceOf(SPEC), pipeline: "" };
  const refused = await step(() => Promise.resolve(DONE), { context: { ...alone, resource } });
  assert.match(refused.failure ?? "", /^no-pipeline: The resource "app" has no pipeline/);
  assert.equal((await step(() => Promise.resolve(DONE), { context: { resource } })).result, DONE);
  assert.equal((await step(() => Promise.resolve(DONE), { context: alone })).result, DONE);
});

test("beside a Conveyor server a spec may ask for nothing that only our engine has", () => {
  const spec = { ...SPEC, secrets: ["A", "B"], restart: 2 };
  const asked = { resource: resourceOf(spec), settings: testSettings(), policy: testPolicy() };
  assert.throws(() => planUnrefused({ ...asked, claimed: false }), (error: StepFailure) => {
    assert.equal(error.reason, "invalid-spec");
    const [secrets, restart, ...more] = error.message.split("\n");
    assert.match(secrets ?? "", /^spec\.secrets: a Conveyor server has no secrets, so "A", "B" would not/);
    assert.match(restart ?? "", /^spec\.restart: .* expected 0, got 2$/);
    assert.deepEqual(more, []);
    return true;
  });
  assert.ok(planUnrefused({ ...asked, claimed: true }));
  assert.ok(planUnrefused({ ...asked, resource: resourceOf(SPEC), claimed: false }));
});

test("container-start tells beside a Conveyor server what it would refuse, however long it has to wait for room", async () => {
  const fake = fakeDocker();
  const asked = async (spec: object, more: { event?: "delete"; docker?: object } = {}) => {
    const context = stepContext({ ...fake.docker, ...more.docker }, { ...SPEC, ...spec });
    return await refusal({ ...context, event: more.event ?? "create" }).catch((error: Error) => error);
  };
  assert.equal(await asked({}), undefined);
  assert.equal((await asked({ secrets: ["A"] }) as StepFailure).reason, "invalid-spec");
  assert.equal(await asked({ secrets: ["A"] }, { event: "delete" }), undefined);
  const absent = { inspectImage: () => Promise.resolve(undefined), imageNames: () => Promise.resolve([]) };
  const missing = await asked({ pull: "never" }, { docker: absent });
  assert.equal((missing as StepFailure).reason, "image-not-found");
  const fault = new TypeError("ours");
  assert.equal(await asked({}, { docker: { inspectImage: () => Promise.reject(fault) } }), fault);
});

test("without an engine a step that fails removes the run's container, and with one it leaves that to it", async () => {
  const outcomes: [(context: BuildContext) => Promise<DriverResult>, left: number][] = [
    [failing(FAILED), 0],
    [failing(new Error("a fault of ours")), 0],
    [() => Promise.resolve({ success: false, message: "no" }), 0],
    [() => Promise.resolve(DONE), 1],
    [failing(new Retryable("away", { reason: "docker-unreachable" })), 1],
  ];
  for (const [work, left] of outcomes) {
    assert.equal((await step(work, { context: alone })).left, left);
    assert.equal((await step(work)).left, 1);
  }
  const theirs = { ...alone, isOurs: () => Promise.resolve(false) };
  assert.equal((await step(failing(FAILED), { context: theirs })).left, 1);
});

test("a step that is told to stop leaves the container to the instance that goes on, and to nobody else", async () => {
  for (
    const [reason, left] of [["shutdown", 1], ["driver-lost", 1], ["cancelled", 0], ["timeout", 0]] as const
  ) {
    const stop = new AbortController();
    const stopped = await step(() => {
      stop.abort(new StopError(reason));
      return Promise.reject(stop.signal.reason);
    }, { context: { ...alone, signal: stop.signal } });
    assert.equal(stopped.left, left, reason);
  }
});

test("without an engine a container that is to be kept for a look is kept, without its git container", async () => {
  const fake = { exec: () => 0 };
  const labels = { [LABELS.keep]: "failure" };
  const { containers, lines } = await step(failing(FAILED), { context: alone, labels, fake });
  assert.deepEqual([...containers.values()].map(({ name }) => name), [containerName("r")]);
  assert.match(lines.at(-1) ?? "", /The container is kept, on host .*docker exec -it/);
  const world = fakeDocker();
  world.add(containerName("r"), { ...runLabels("me", "r"), ...labels }, { state: "paused" });
  world.add(gitContainerName("r"), runLabels("me", "r"));
  const context = stepContext(world.docker, SPEC, {
    run: "r",
    claimed: false,
    settings: testSettings({ owner: "me" }),
  });
  await assert.rejects(buildStep(failing(FAILED))(context), FAILED);
  assert.deepEqual([...world.containers.values()].map(({ name, state }) => [name, state]), [
    [containerName("r"), "running"],
  ]);
});

test("a refusal of the daemon is told as the end of the container where that has ended", async () => {
  const refused = new DockerError("no such exec", { status: 404 });
  const events = (...names: string[]) => ({
    processes: () => Promise.resolve([]),
    events: () => Promise.resolve(names),
  });
  assert.equal(
    (await step(failing(refused), { docker: events("oom") })).failure,
    "out-of-memory: The step was cut off, since the container's memory limit was reached and the kernel killed a process",
  );
  assert.equal(
    (await step(failing(refused), { docker: events("kill") })).failure,
    "container-lost: The step was cut off, since the container was stopped from outside",
  );
  const gone = await step(failing(refused), { name: "another" });
  assert.equal(gone.failure, "container-lost: The step was cut off, since the container was removed");
  assert.equal((gone.result as Error).cause, refused);
  // One that runs, or that cannot be asked about, has nothing to do with it.
  assert.equal((await step(failing(refused))).result, refused);
  const away = { inspect: () => Promise.reject(new Error("away")) };
  assert.equal((await step(failing(refused), { docker: away })).result, refused);
  const other = new Error("other");
  assert.equal((await step(failing(other), { docker: events("oom") })).result, other);
});

test("what the clone checked out is read from its result, and is empty where that does not say", () => {
  const { docker } = fakeDocker();
  const of = (data: unknown) =>
    checkoutOf(stepContext(docker, {}, { results: { "git-cloner": { success: true, message: "", data } } }));
  assert.deepEqual(of({ commit: "c", ref: "r", more: 1 }), { commit: "c", ref: "r" });
  assert.deepEqual(of({ commit: 1 }), { commit: "", ref: "" });
  assert.deepEqual(checkoutOf(stepContext(docker, {})), { commit: "", ref: "" });
});

test("a container that an interrupted clone has paused is resumed, and one that has ended is named", async () => {
  const require = async (name: string, state: "paused" | "exited" | "created") => {
    const fake = fakeDocker();
    fake.add(name, runLabels("me", "r"), { state });
    fake.add(gitContainerName("r"), runLabels("me", "r"));
    const context = stepContext(fake.docker, {}, { run: "r", settings: testSettings({ owner: "me" }) });
    const found = await requireContainer(context).catch((error: StepFailure) => error);
    return found instanceof StepFailure
      ? `${found.reason}: ${found.message}`
      : [found.state, fake.containers.size];
  };
  assert.deepEqual(await require(idleName("r"), "paused"), ["running", 1]);
  const ended = "The run's container does not run: it is exited";
  assert.equal(await require(idleName("r"), "exited"), `container-lost: ${ended}`);
  assert.equal(
    await require(containerName("r"), "exited"),
    `driver-lost: The driver was lost in the middle of the build, and commands are never run twice. ${ended}`,
  );
  assert.equal(await require("another", "exited"), "container-lost: The run's container is not here");
});
