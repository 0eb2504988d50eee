import assert from "node:assert/strict";
import { test } from "node:test";
import { claim } from "../../lib/engine/core/claim.ts";
import { decide, type Input, LOST_HOST_MS } from "../../lib/engine/core/decide.ts";
import { nextChange } from "../../lib/engine/core/due.ts";
import { openStep } from "../../lib/engine/core/steps.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import type { Run } from "../../lib/wire/run.ts";
import { RUN, runOf, statuses } from "./support/runs.ts";

const ACK_WAIT = 30_000;
const OK: DriverResult = { success: true, message: "fine" };
const CANCEL: Input = {
  kind: "stop",
  outcome: "cancelled",
  reason: "cancelled",
  message: "Cancelled by hand",
};
const time: Input = { kind: "time", ackWaitMs: ACK_WAIT, hearingSince: 0 };

const submitted = (run: Run) => decide(run, { kind: "submitted" }, 0);
const failed = (reason: string): DriverResult => ({ success: false, message: "broken", data: { reason } });

/** The open step claimed by an instance called `i`. */
function claimed(run: Run, now = 0): Run {
  const step = openStep(run);
  assert.ok(step);
  const request = {
    step: step.id,
    event: `${RUN}/${step.id}/${step.dispatch}`,
    delivery: 1,
    instance: "i",
    host: "h",
  };
  const { run: next, answer } = claim(run, request, {
    now,
    ackWaitMs: ACK_WAIT,
    graceMs: 3000,
    askedAt: undefined,
  });
  assert.equal(answer.answer, "go");
  return next;
}

/** The open step claimed and answered. */
function answered(run: Run, result: DriverResult = OK, now = 0): Run {
  const at = claimed(run, now);
  const step = openStep(at);
  assert.ok(step);
  const { id, driver, attempt } = step;
  return decide(at, { kind: "result", driver, step: id, attempt, result }, now);
}

test("decide hands out the steps in their order and ends the run after the last", () => {
  const first = submitted(runOf("a b c!"));
  assert.equal(statuses(first), "a:dispatched b:pending c:pending");
  assert.deepEqual(first.outbox.map(({ id, subject }) => [id, subject]), [
    [`${RUN}/a/1`, "drivers.a.resources.thing"],
  ]);
  const second = answered(first);
  assert.equal(statuses(second), "a:succeeded b:dispatched c:pending");
  assert.deepEqual(second.outbox.map(({ id }) => id), [`${RUN}/b/1`]);
  const last = answered(answered(second), OK, 5);
  assert.equal(statuses(last), "a:succeeded b:succeeded c:succeeded");
  assert.equal(last.outcome, "succeeded");
  assert.equal(last.verdict?.message, "Run succeeded");
  assert.equal(last.endedAt, 5);
  assert.deepEqual(last.outbox, []);
});

test("decide runs what always runs after a failure, and nothing else", () => {
  const run = answered(submitted(runOf("a b c! d e!")), failed("command-failed"));
  assert.equal(statuses(run), "a:failed b:skipped c:dispatched d:skipped e:pending");
  const end = answered(answered(run));
  assert.equal(statuses(end), "a:failed b:skipped c:succeeded d:skipped e:succeeded");
  assert.deepEqual(end.verdict, {
    outcome: "failed",
    reason: "command-failed",
    message: 'Step "a" failed: broken',
  });
  assert.equal(end.outcome, "failed");
});

test("decide keeps the first failure as the reason and lets a failed cleanup fail a run that was well", () => {
  const twice = answered(answered(submitted(runOf("a b!")), failed("clone-failed")), failed("disk-full"));
  assert.equal(twice.verdict?.reason, "clone-failed");
  const cleanup = answered(answered(submitted(runOf("a b!"))), failed("docker-unreachable"));
  assert.equal(cleanup.outcome, "failed");
  assert.equal(cleanup.verdict?.reason, "docker-unreachable");
});

test("decide takes a skipped step for done and goes on", () => {
  const skip: DriverResult = { success: true, message: "Nothing to do", data: { skipped: true } };
  const run = answered(submitted(runOf("a b!")), skip);
  assert.equal(statuses(run), "a:skipped b:dispatched");
  assert.equal(answered(run).outcome, "succeeded");
});

test("decide names an unknown reason step-failed, and ends as the reason says", () => {
  const outcomes = ["nonsense", "timeout", "cancelled", "out-of-memory"].map((reason) => {
    const { verdict } = answered(submitted(runOf("a")), failed(reason));
    return [verdict?.outcome, verdict?.reason];
  });
  assert.deepEqual(outcomes, [
    ["failed", "step-failed"],
    ["timed-out", "timeout"],
    ["cancelled", "cancelled"],
    ["failed", "out-of-memory"],
  ]);
});

test("decide counts a result for its step, its driver and its attempt only", () => {
  const run = claimed(submitted(runOf("a b")));
  const ignored: Input[] = [
    { kind: "result", driver: "b", step: "b", attempt: 1, result: OK },
    { kind: "result", driver: "b", step: "a", attempt: 1, result: OK },
    { kind: "result", driver: "a", step: "a", attempt: 2, result: OK },
    { kind: "result", driver: "a", step: "x", result: OK },
    { kind: "result", driver: "x", result: OK },
  ];
  for (const input of ignored) assert.equal(decide(run, input, 0), run);
  const result: Input = { kind: "result", driver: "a", step: "a", attempt: 1, result: OK };
  const next = decide(run, result, 0);
  assert.equal(statuses(next), "a:succeeded b:dispatched");
  assert.equal(decide(next, result, 0), next);
});

test("decide takes a result without step and attempt for the open step of that driver", () => {
  const result: Input = { kind: "result", driver: "d", result: OK };
  const first = decide(submitted(runOf("x:d y:d z:e")), result, 7);
  assert.equal(statuses(first), "x:succeeded y:dispatched z:pending");
  const second = decide(first, result, 8);
  assert.equal(statuses(second), "x:succeeded y:succeeded z:dispatched");
  assert.equal(decide(second, result, 9), second);
});

test("decide cancels an unclaimed step at once and lets a claimed one answer", () => {
  const queued = decide(submitted(runOf("a b c!")), CANCEL, 1);
  assert.equal(statuses(queued), "a:skipped b:skipped c:dispatched");
  const working = decide(claimed(submitted(runOf("a b c!"))), CANCEL, 1);
  assert.equal(statuses(working), "a:running b:skipped c:pending");
  const stopped = decide(working, {
    kind: "result",
    driver: "a",
    step: "a",
    attempt: 1,
    result: failed("cancelled"),
  }, 2);
  assert.equal(statuses(stopped), "a:failed b:skipped c:dispatched");
  const end = answered(stopped);
  assert.equal(end.outcome, "cancelled");
  assert.equal(end.verdict?.message, "Cancelled by hand");
});

test("decide leaves a run alone that has a verdict or has ended", () => {
  const late: Input = { kind: "stop", outcome: "failed", reason: "disk-full", message: "late" };
  const stopped = decide(claimed(submitted(runOf("a b!"))), CANCEL, 0);
  assert.equal(decide(stopped, late, 1), stopped);
  const ended = answered(submitted(runOf("a")));
  for (const input of [late, time, { kind: "abandoned", message: "gone" } as const]) {
    assert.equal(decide(ended, input, 1e9), ended);
  }
});

test("decide does not interrupt what always runs, neither for a cancel nor for the run's time", () => {
  const cleaning = claimed(answered(submitted(runOf("a b!", { timeoutMs: 1000 })), OK, 10), 10);
  assert.equal(statuses(decide(cleaning, CANCEL, 20)), "a:succeeded b:running");
  assert.equal(decide(cleaning, time, 5000), cleaning);
  const between = claimed(submitted(runOf("a! b", { timeoutMs: 1000 })), 10);
  const late = decide(between, time, 5000);
  assert.equal(statuses(late), "a:running b:skipped");
  assert.equal(late.verdict?.outcome, "timed-out");
});

test("decide counts a run's time from its first claim, not in the queue", () => {
  const queued = submitted(runOf("a b!", { timeoutMs: 1000 }));
  assert.equal(decide(queued, time, 1e9), queued);
  const begun = claimed(queued, 50_000);
  assert.equal(decide(begun, time, 50_999), begun);
  assert.equal(nextChange(begun, { ackWaitMs: ACK_WAIT, hearingSince: 0 }), 51_000);
  const over = decide(begun, time, 51_000);
  assert.deepEqual(over.verdict, {
    outcome: "timed-out",
    reason: "timeout",
    message: "The run took longer than 1.00 s",
  });
  assert.equal(statuses(over), "a:running b:pending");
});

test("decide counts a step's time from its first claim", () => {
  const run = runOf("a b!");
  const limited = { ...run.pipeline, steps: run.pipeline.steps.map((step) => ({ ...step, timeout: 200 })) };
  const begun = claimed(submitted({ ...run, pipeline: limited }), 1000);
  assert.equal(decide(begun, time, 1199), begun);
  const over = decide(begun, time, 1200);
  assert.equal(over.verdict?.message, 'Step "a" took longer than 0.20 s');
  assert.equal(over.verdict?.outcome, "timed-out");
});

test("decide gives up a driver that was told to stop and stays silent, and cleans up", () => {
  const told = decide(claimed(submitted(runOf("a b!"))), CANCEL, 10_000);
  assert.equal(decide(told, time, 39_999), told);
  assert.equal(nextChange(told, { ackWaitMs: ACK_WAIT, hearingSince: 0 }), 40_000);
  const lost = decide(told, time, 40_000);
  assert.equal(statuses(lost), "a:failed b:dispatched");
  assert.equal(lost.verdict?.outcome, "cancelled");
  const late: Input = { kind: "result", driver: "a", step: "a", attempt: 1, result: OK };
  assert.equal(decide(lost, late, 41_000), lost);
});

test("decide does not take its own deafness for a driver's silence", () => {
  const told = decide(claimed(submitted(runOf("a b!"))), CANCEL, 0);
  const restarted: Input = { kind: "time", ackWaitMs: ACK_WAIT, hearingSince: 100_000 };
  assert.equal(decide(told, restarted, 129_999), told);
  assert.equal(statuses(decide(told, restarted, 130_000)), "a:failed b:dispatched");
});

test("decide gives up a cleanup that takes for ever, and one whose host does not come back", () => {
  const cleaning = claimed(answered(submitted(runOf("a b!"))));
  const due = nextChange(cleaning, { ackWaitMs: ACK_WAIT, hearingSince: 0 });
  assert.equal(decide(cleaning, time, due - 1), cleaning);
  const over = decide(cleaning, time, due);
  assert.equal(over.outcome, "timed-out");
  assert.equal(statuses(over), "a:succeeded b:failed");

  const onHost = answered(submitted(runOf("a b!")), { ...OK, data: { host: "h1" } });
  assert.equal(decide(onHost, time, LOST_HOST_MS - 1), onHost);
  assert.equal(decide(onHost, time, LOST_HOST_MS).verdict?.reason, "driver-lost");
  const anywhere = answered(submitted(runOf("a b!")));
  assert.equal(decide(anywhere, time, LOST_HOST_MS * 100), anywhere);
});

test("decide starts a run again whose driver was lost, as often as it may, on the same host", () => {
  const begun = answered(submitted(runOf("a b c!", { restarts: 1 })), { ...OK, data: { host: "h1" } });
  const again = answered(begun, failed("driver-lost"), 5);
  assert.equal(statuses(again), "a:dispatched b:pending c:pending");
  assert.deepEqual(again.outbox.map(({ id, subject }) => [id, subject]), [
    [`${RUN}/a/2`, "drivers.a.hosts.h1.resources.thing"],
  ]);
  assert.equal(again.restartsLeft, 0);
  assert.deepEqual(again.earlier?.map((round) => round.map(({ id, status }) => `${id}:${status}`)), [
    ["a:succeeded", "b:failed", "c:pending"],
  ]);
  const late: Input = { kind: "result", driver: "a", step: "a", attempt: 1, result: OK };
  assert.equal(decide(again, late, 6), again);
  const lost = answered(answered(again), failed("driver-lost"));
  assert.equal(statuses(lost), "a:succeeded b:failed c:dispatched");
  assert.equal(answered(lost).verdict?.reason, "driver-lost");
});

test("decide does not start a run again that was told to stop", () => {
  const told = decide(claimed(submitted(runOf("a b!", { restarts: 3 }))), CANCEL, 0);
  const lost: Input = { kind: "result", driver: "a", step: "a", attempt: 1, result: failed("driver-lost") };
  assert.equal(statuses(decide(told, lost, 1)), "a:failed b:dispatched");
});

test("decide sends a lost event again, and only the current one", () => {
  const run = submitted(runOf("a b"));
  const again = decide(run, { kind: "event-lost", step: "a", dispatch: 1, heardAt: undefined }, 9);
  assert.deepEqual(again.outbox.map(({ id }) => id), [`${RUN}/a/2`]);
  assert.equal(again.steps[0]?.dispatchedAt, 9);
  for (
    const input of [
      { kind: "event-lost", step: "a", dispatch: 1, heardAt: undefined },
      { kind: "event-lost", step: "b", dispatch: 2, heardAt: undefined },
      { kind: "event-lost", step: "a", dispatch: 2, heardAt: 4 },
    ] as const
  ) assert.equal(decide(again, input, 10), again);
});

test("decide lets an attempt that is alive after all answer, though its event was sent again", () => {
  const run = claimed(submitted(runOf("a")));
  const again = decide(run, { kind: "event-lost", step: "a", dispatch: 1, heardAt: 0 }, 60_000);
  assert.equal(again.outbox.length, 1);
  const end = decide(again, { kind: "result", driver: "a", step: "a", attempt: 1, result: OK }, 61_000);
  assert.equal(end.outcome, "succeeded");
});

test("decide starts the clocks of a driver that claims nothing when it is seen at work", () => {
  const run = submitted(runOf("a b!", { timeoutMs: 1000 }));
  const begun = decide(run, { kind: "begun", step: "a" }, 500);
  assert.equal(statuses(begun), "a:running b:pending");
  assert.equal(decide(begun, { kind: "begun", step: "a" }, 600), begun);
  assert.equal(begun.startedAt, 0, "it may have begun when it was handed out");
  const over = decide(begun, time, 1000);
  assert.equal(over.verdict?.reason, "timeout");
  assert.equal(statuses(decide(over, time, 1000 + ACK_WAIT)), "a:failed b:dispatched");
});

test("decide abandons a run at once, without running anything", () => {
  const run = decide(claimed(submitted(runOf("a b c!"))), {
    kind: "abandoned",
    message: "Its process is gone",
  }, 3);
  assert.equal(statuses(run), "a:failed b:skipped c:skipped");
  assert.equal(run.outcome, "failed");
  assert.deepEqual(run.verdict, {
    outcome: "failed",
    reason: "driver-lost",
    message: "Its process is gone",
  });
  assert.deepEqual(run.outbox, []);
});

test("decide remembers the host that a result names, if it can stand in a subject", () => {
  const placed = answered(submitted(runOf("a b")), { ...OK, data: { host: "host-1" } });
  assert.equal(placed.host, "host-1");
  for (const host of ["a.b", "*", "", 7, null, "x".repeat(200)]) {
    const run = answered(submitted(runOf("a b")), { ...OK, data: { host } });
    assert.equal(run.host, undefined);
    assert.equal(run.outbox[0]?.subject, "drivers.b.resources.thing");
  }
});

test("decide fails a step whose result is too large to be kept, and cuts a long message", () => {
  const large = answered(submitted(runOf("a b")), { ...OK, data: "x".repeat(300_000) });
  assert.equal(large.outcome, "failed");
  assert.match(large.verdict?.message ?? "", /has 293 KiB of data: expected 256 KiB at most/);
  assert.equal(large.steps[0]?.result?.data, undefined);
  const long = answered(submitted(runOf("a b")), { success: true, message: "ü".repeat(100_000) });
  const bytes = Buffer.byteLength(long.steps[0]?.result?.message ?? "");
  assert.ok(bytes > 16_000 && bytes <= 16 * 1024, String(bytes));
});

test("decide empties the outbox of a message that was taken, of no other", () => {
  const run = submitted(runOf("a"));
  assert.equal(decide(run, { kind: "published", id: `${RUN}/a/9` }, 0), run);
  assert.deepEqual(decide(run, { kind: "published", id: `${RUN}/a/1` }, 0).outbox, []);
});
