import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogBatch } from "../../lib/backend/store.ts";
import { changesOf } from "../../lib/engine/core/changes.ts";
import { decide } from "../../lib/engine/core/decide.ts";
import { metadataWithResults, versionOf, withVersion } from "../../lib/engine/core/resource-record.ts";
import { runSummary, runView } from "../../lib/engine/core/run-view.ts";
import { Timeline } from "../../lib/engine/core/timeline.ts";
import type { Resource } from "../../lib/wire/resource.ts";
import type { Run, StepState } from "../../lib/wire/run.ts";
import { runOf } from "./support/runs.ts";

/** The run with some fields of one of its steps changed. */
const withStep = (run: Run, id: string, changes: Partial<StepState>): Run => ({
  ...run,
  steps: run.steps.map((step) => step.id === id ? { ...step, ...changes } : step),
});
const batchOf = (step: string, attempt: number, driver = step): LogBatch => ({
  cursor: "1",
  firstSeq: 1,
  step,
  attempt,
  lines: [{ runid: "r", driver, timestamp: "2026-01-01T00:00:00.000Z", message: "m" }],
});
const resource: Resource = { id: "r", name: "n", resource: "thing", spec: {} };

test("a step that no driver has begun has had no attempts, and no seconds", () => {
  const handedOut = decide(runOf("a b"), { kind: "submitted" }, 1000);
  const running = withStep(handedOut, "a", { status: "running", startedAt: 3000, attempt: 2 });
  const [a, b] = runView(running, { now: 4500, waiting: undefined }).steps;
  assert.deepEqual([a?.attempts, a?.seconds, a?.startedAt], [2, 1.5, "1970-01-01T00:00:03.000Z"]);
  assert.deepEqual([b?.attempts, b?.seconds], [0, undefined]);
  const [waiting] = runView(handedOut, { now: 4500, waiting: "no driver" }).steps;
  assert.deepEqual([waiting?.status, waiting?.attempts], ["dispatched", 0]);
});

test("a run's seconds count from its first step to its end, from its creation if nothing has begun, and are never negative", () => {
  const run = { ...runOf("a"), createdAt: 1000 };
  assert.equal(runSummary(run, 9000).seconds, undefined);
  assert.equal(runSummary({ ...run, startedAt: 2000 }, 9000).seconds, 7);
  assert.equal(runSummary({ ...run, startedAt: 2000, endedAt: 5000 }, 9000).seconds, 3);
  assert.equal(runSummary({ ...run, endedAt: 5000 }, 9000).seconds, 4);
  assert.equal(runSummary({ ...run, startedAt: 2000 }, 1000).seconds, 0);
});

test("a lost round that starts again is told as the end of its steps, and as a beginning of each new one", () => {
  const before = withStep(runOf("a b"), "a", { status: "running", attempt: 1, startedAt: 1 });
  const lost = withStep(before, "a", { status: "failed" }).steps;
  const restarted: Run = { ...withStep(before, "a", { status: "running", attempt: 2 }), earlier: [lost] };
  const told = changesOf(before, restarted).map(({ kind, ...rest }) =>
    [kind, ..."step" in rest ? [rest.step.attempt] : []].join(" ")
  );
  assert.deepEqual(told, ["step-ended 1", "step-started 2"]);
  assert.deepEqual(changesOf(restarted, restarted), []);
});

test("an attempt that another one has taken over from is told as lost, and as a new beginning", () => {
  const before = withStep(runOf("a"), "a", { status: "running", attempt: 1, startedAt: 1, instance: "one" });
  const after = withStep(before, "a", { attempt: 2, instance: "two" });
  const told = changesOf(before, after).map((change) =>
    "step" in change ? `${change.kind} ${change.step.instance}` : change.kind
  );
  assert.deepEqual(told, ["lease-lost one", "step-started two"]);
});

test("a late line of a round that was lost belongs to that round", () => {
  const first = withStep(runOf("a b"), "a", { status: "failed", attempt: 1, startedAt: 1, endedAt: 2 });
  const run: Run = {
    ...withStep(runOf("a b"), "a", { status: "running", attempt: 2, startedAt: 3 }),
    earlier: [first.steps],
  };
  const timeline = new Timeline(run);
  assert.deepEqual(
    [...timeline.before(batchOf("a", 2))].map((event) => event.type === "step" && event.status),
    [
      "started",
      "failed",
      "started",
    ],
  );
  assert.equal(timeline.writerOf(batchOf("a", 1))?.status, "failed");
  assert.deepEqual([...timeline.before(batchOf("a", 1))], []);
  assert.equal(timeline.writerOf(batchOf("a", 2))?.status, "running");
  // A driver that names neither step nor attempt writes for the step that it has begun.
  assert.equal(timeline.writerOf(batchOf("", 0, "a"))?.status, "running");
  assert.equal(timeline.isAhead(batchOf("b", 1)), true);
});

test("a resource's version is a whole number from 1, whatever its metadata says", () => {
  assert.equal(versionOf(withVersion(resource, 7, { team: "x" })), 7);
  for (const version of ["0", "-1", "1.5", "x", "", undefined]) {
    assert.equal(versionOf({ ...resource, metadata: { version } }), 1, `${version}`);
  }
  assert.equal(versionOf(resource), 1);
});

test("a resource's metadata has the results of its newest run before its version", () => {
  const stored = { resource: withVersion(resource, 2, { team: "x" }), run: "r" };
  assert.deepEqual(metadataWithResults(stored as Parameters<typeof metadataWithResults>[0], undefined), {
    team: "x",
    version: "2",
  });
});
