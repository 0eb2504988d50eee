import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { keepingOfFailed } from "../../lib/build/artifacts/keep-of-failed.ts";
import { containerName, LABELS, runLabels } from "../../lib/build/labels.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { StopError } from "../../lib/driver/driver.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { fakeDocker, planFor } from "./fake-docker.ts";
import { FakeWorkspace } from "./fake-workspace.ts";

const FAILED = new StepFailure("`x` exited with 1", { reason: "command-failed", data: { exitCode: 1 } });
const JUNIT = '<testsuite><testcase name="t" time="1"><failure message="no"/></testcase></testsuite>';

interface Given {
  readonly artifacts?: unknown[];
  readonly reports?: string[];
  readonly state?: "running" | "exited";
  readonly isGone?: boolean;
  readonly context?: Partial<BuildContext>;
  readonly docker?: object;
}

/** Fails a build with this error, once its signal has this reason. */
async function fail(thrown: unknown, reason: unknown = undefined, given: Given = {}) {
  const { artifacts = [{ glob: "*.log", when: "failure" }], reports = [], state = "running" } = given;
  const workspace = new FakeWorkspace({ "a.log": "log", "c.txt": "c", "t.xml": JUNIT });
  const fake = fakeDocker({ workspace });
  const container = fake.add(containerName("r"), { ...runLabels("me", "r"), [LABELS.user]: "" }, { state });
  if (given.isGone) fake.containers.clear();
  Object.assign(fake.docker, given.docker);
  const spec = {
    repository: "https://example.org/a.git",
    image: "i",
    commands: ["x"],
    artifacts,
    reports: reports.map((junit) => ({ junit })),
  };
  const stop = new AbortController();
  const context = stepContext(fake.docker, spec, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1 }),
    signal: stop.signal,
    ...given.context,
  });
  const error = await keepingOfFailed(context, container, planFor(context), () => {
    if (reason !== undefined) stop.abort(reason);
    return Promise.reject(thrown);
  }).catch((error: unknown) => error);
  const data = error instanceof StepFailure ? error.data : undefined;
  return {
    ...fake,
    error,
    data,
    stored: [...context.artifacts.keys()],
    sessions: workspace.sessions.begun,
    lines: await context.lines(),
  };
}

test("a build that fails keeps its error, with the artifacts and the tests' outcome beside it", async () => {
  const { error, data, stored } = await fail(FAILED, undefined, { reports: ["t.xml"] });
  assert.ok(error instanceof StepFailure);
  assert.deepEqual([error.message, error.reason], [FAILED.message, FAILED.reason]);
  assert.equal(data?.exitCode, 1);
  assert.deepEqual((data?.artifacts as { name: string }[]).map(({ name }) => name), ["a.log"]);
  assert.equal((data?.reports as { failures: number }).failures, 1);
  assert.deepEqual(stored, ["a.log"]);
  const reportsOnly = await fail(FAILED, undefined, { artifacts: ["c.txt"], reports: ["t.xml"] });
  assert.deepEqual(Object.keys(reportsOnly.data ?? {}).sort(), ["exitCode", "reports"]);
});

test("a build that succeeds is none that failed, and one that wants nothing is not looked into", async () => {
  const fake = fakeDocker({ workspace: new FakeWorkspace({}) });
  const spec = { repository: "https://example.org/a.git", image: "i", commands: ["x"], artifacts: ["*"] };
  const context = stepContext(fake.docker, spec);
  const container = fake.add(containerName("r"), {});
  assert.equal(await keepingOfFailed(context, container, planFor(context), () => Promise.resolve(7)), 7);
  const { error, sessions } = await fail(FAILED, undefined, { artifacts: ["*"] });
  assert.equal(error, FAILED);
  assert.equal(sessions, 0);
});

test("how a build ended decides what is kept of it, and nothing is where it goes on elsewhere or is gone", async () => {
  const lost = new StepFailure("gone", { reason: "container-lost" });
  const driverLost = new StepFailure("gone", { reason: "driver-lost" });
  const stopped = (reason: string) => new StopError(reason);
  const always = [{ glob: "c.txt", when: "always" }, { glob: "*.log", when: "failure" }];
  const cases: [thrown: unknown, reason: unknown, stored: string[]][] = [
    [FAILED, undefined, ["a.log", "c.txt"]],
    [new Error("a fault of ours"), undefined, []],
    [lost, undefined, []],
    [driverLost, undefined, []],
    [stopped("timeout"), stopped("timeout"), ["a.log", "c.txt"]],
    [stopped("cancelled"), stopped("cancelled"), ["c.txt"]],
    [stopped("shutdown"), stopped("shutdown"), []],
    [stopped("driver-lost"), stopped("driver-lost"), []],
  ];
  for (const [thrown, reason, wanted] of cases) {
    const { error, stored } = await fail(thrown, reason, { artifacts: always });
    assert.deepEqual(stored.sort(), wanted, `${thrown}`);
    if (!(thrown instanceof StepFailure) && wanted.length === 0) assert.equal(error, thrown);
  }
});

test("a build that was stopped keeps the stop's reason, with the artifacts and the tests' outcome beside it", async () => {
  const stop = new StopError("cancelled");
  const always = [{ glob: "c.txt", when: "always" }];
  const { error, data } = await fail(new Error("aborted"), stop, { artifacts: always, reports: ["t.xml"] });
  assert.ok(error instanceof StepFailure);
  assert.deepEqual([error.message, error.reason], [stop.message, "cancelled"]);
  assert.deepEqual((data?.artifacts as { name: string }[]).map(({ name }) => name), ["c.txt"]);
  assert.equal((data?.reports as { failures: number }).failures, 1);
});

test("once it was told to stop, a step keeps nothing of a run that is another attempt's now", async () => {
  const stop = new StopError("timeout");
  const { error, stored, sessions } = await fail(stop, stop, {
    context: { isOurs: () => Promise.resolve(false) },
  });
  assert.deepEqual([error, stored, sessions], [stop, [], 0]);
});

test("artifacts that are kept after the stop are stored under the time that is left for cleaning up", async () => {
  const stop = new StopError("timeout");
  const signals: (AbortSignal | undefined)[] = [];
  await fail(stop, stop, {
    context: {
      putArtifact: (_name, _bytes, options) => {
        signals.push(options?.signal);
        return Promise.resolve({ size: 3, sha256: "" });
      },
    },
  });
  assert.equal(signals.length, 1);
  assert.equal(signals[0]?.aborted, false);
});

test("a container that had to be killed is started again for it, and one that is gone has nothing", async () => {
  const killed = await fail(FAILED, undefined, { state: "exited" });
  assert.deepEqual(killed.stored, ["a.log"]);
  assert.equal([...killed.containers.values()][0]?.state, "running");
  const gone = await fail(FAILED, undefined, { isGone: true });
  assert.deepEqual([gone.stored, gone.data, gone.lines], [[], { exitCode: 1 }, []]);
});

test("artifacts that cannot be kept cost a line of the log, and never the error of the build", async () => {
  const { error, lines } = await fail(FAILED, undefined, {
    docker: { inspect: () => Promise.reject(new Error("the daemon is gone")) },
  });
  assert.equal((error as Error).message, FAILED.message);
  assert.deepEqual(lines, ["system The artifacts of this build cannot be kept: the daemon is gone"]);
});
