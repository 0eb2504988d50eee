import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, claim, type ClaimTimes, MAX_ATTEMPTS } from "../../lib/engine/core/claim.ts";
import { decide } from "../../lib/engine/core/decide.ts";
import type { ClaimRequest } from "../../lib/wire/claim.ts";
import type { Run } from "../../lib/wire/run.ts";
import { RUN, runOf, statuses } from "./support/runs.ts";

const ACK_WAIT = 30_000;
const GRACE = 3000;

const submitted = (steps: string, changes = {}) => decide(runOf(steps, changes), { kind: "submitted" }, 0);

function request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { step: "a", event: `${RUN}/a/1`, delivery: 1, instance: "i", host: "h", ...changes };
}

function ask(
  run: Run,
  now: number,
  changes: Partial<ClaimRequest> = {},
  times: Partial<ClaimTimes> = {},
): { run: Run; answer: Answer } {
  return claim(run, request(changes), {
    now,
    ackWaitMs: ACK_WAIT,
    graceMs: GRACE,
    askedAt: undefined,
    ...times,
  });
}

test("claim grants the first attempt of a step that was handed out, and starts the clocks", () => {
  const { run, answer } = ask(submitted("a b", { timeoutMs: 60_000 }), 500);
  assert.deepEqual(answer, { answer: "go", attempt: 1, tries: 1, isNew: true, remainingMs: 60_000 });
  assert.equal(statuses(run), "a:running b:pending");
  assert.equal(run.startedAt, 500);
  assert.equal(run.steps[0]?.startedAt, 500);
  assert.deepEqual(run.outbox, [], "who has the event proves that it was published");
});

test("claim counts the time left from the run's first claim and from the step's own limit", () => {
  const plain = submitted("a b c!", { timeoutMs: 60_000 });
  const limited: Run = {
    ...plain,
    pipeline: { ...plain.pipeline, steps: plain.pipeline.steps.map((step) => ({ ...step, timeout: 5000 })) },
  };
  const remaining = (run: Run, now: number, changes: Partial<ClaimRequest>) => {
    const { answer } = ask(run, now, changes);
    return answer.answer === "go" ? answer.remainingMs : answer;
  };
  const first = ask(plain, 1000).run;
  assert.equal(remaining(first, 11_000, { attempt: 1 }), 50_000);
  assert.equal(remaining(first, 99_000, { attempt: 1 }), 0);
  assert.equal(remaining(ask(limited, 1000).run, 3000, { attempt: 1 }), 3000);
});

test("claim gives the same attempt to the same delivery that asks again, and takes no other's word for it", () => {
  const { run } = ask(submitted("a"), 0);
  const again = ask(run, 10);
  assert.deepEqual(again.answer, { answer: "go", attempt: 1, tries: 1, isNew: true, remainingMs: 3_599_990 });
  assert.equal(again.run, run, "nothing is written for it");
  const other = ask(run, 10, { instance: "j" });
  assert.deepEqual(other.answer, { answer: "wait", retryMs: ACK_WAIT - 10, ask: false });
  const later = ask(run, 10, { delivery: 2 });
  assert.deepEqual(later.answer, { answer: "wait", retryMs: ACK_WAIT / 2 - 10, ask: false });
});

test("claim lets another instance succeed an attempt that is silent for the ack wait and does not answer when asked", () => {
  const { run } = ask(submitted("a"), 0);
  const first = ask(run, ACK_WAIT, { instance: "j" });
  assert.deepEqual(first.answer, { answer: "wait", retryMs: GRACE, ask: true });
  const early = ask(run, ACK_WAIT + 1000, { instance: "j" }, { askedAt: ACK_WAIT });
  assert.deepEqual(early.answer, { answer: "wait", retryMs: GRACE - 1000, ask: false });
  const granted = ask(run, ACK_WAIT + GRACE, { instance: "j" }, { askedAt: ACK_WAIT });
  assert.equal(granted.answer.answer === "go" && granted.answer.attempt, 2);
  const late = ask(granted.run, ACK_WAIT + GRACE + 1, { attempt: 1 });
  assert.deepEqual(late.answer, { answer: "stop", reason: "driver-lost" });
  assert.equal(late.run, granted.run);
});

test("claim hears an attempt that renews, and writes it down only when it says something new", () => {
  const { run } = ask(submitted("a"), 0);
  const soon = ask(run, ACK_WAIT / 4 - 1, { attempt: 1 });
  assert.equal(soon.run, run);
  const third = ask(run, ACK_WAIT / 3, { attempt: 1 });
  assert.equal(third.run.steps[0]?.heardAt, ACK_WAIT / 3);
  assert.equal(third.answer.answer, "go");
  const other = ask(third.run, ACK_WAIT, { instance: "j" });
  assert.equal(other.answer.answer === "wait" && other.answer.retryMs, ACK_WAIT / 3);
});

test("claim grants the next attempt at once where the last one let go", () => {
  const { run } = ask(submitted("a b!"), 0);
  const free = ask(run, 10, { attempt: 1, letsGo: true });
  assert.deepEqual(free.answer, { answer: "done" });
  assert.equal(statuses(free.run), "a:dispatched b:pending");
  const next = ask(free.run, 11, { instance: "j", delivery: 2 });
  assert.equal(next.answer.answer === "go" && next.answer.attempt, 2);
  assert.deepEqual(ask(free.run, 12, { attempt: 1 }).answer, { answer: "stop", reason: "driver-lost" });
});

test("claim closes a step that was told to stop when its driver lets go", () => {
  const { run } = ask(submitted("a b!"), 0);
  const told = decide(run, { kind: "stop", outcome: "cancelled", reason: "cancelled", message: "stop" }, 5);
  const free = ask(told, 10, { attempt: 1, letsGo: true });
  assert.equal(statuses(free.run), "a:failed b:dispatched");
});

test("claim tells a step to stop once its run has a verdict, and lets what always runs go on", () => {
  const { run } = ask(submitted("a b!"), 0);
  const told = decide(run, { kind: "stop", outcome: "timed-out", reason: "timeout", message: "late" }, 5);
  const renewal = ask(told, 20_000, { attempt: 1 });
  assert.deepEqual(renewal.answer, { answer: "stop", reason: "timeout" });
  assert.deepEqual(ask(told, 20_000, { delivery: 2, instance: "j" }).answer, {
    answer: "stop",
    reason: "timeout",
  });
  const cleaning = decide(told, {
    kind: "result",
    driver: "a",
    step: "a",
    attempt: 1,
    result: { success: false, message: "stopped", data: { reason: "timeout" } },
  }, 30);
  const cleanup = ask(cleaning, 40, { step: "b", event: `${RUN}/b/1` });
  assert.equal(cleanup.answer.answer, "go");
});

test("claim keeps a driver that was told to stop for as long as it renews, and loses one that is silent", () => {
  const time = { kind: "time", ackWaitMs: ACK_WAIT, hearingSince: 0 } as const;
  let { run } = ask(submitted("a b!"), 0);
  run = decide(run, { kind: "stop", outcome: "cancelled", reason: "cancelled", message: "stop" }, 5);
  for (let now = 10_000; now <= 10 * ACK_WAIT; now += 10_000) {
    run = decide(run, time, now);
    const renewal = ask(run, now, { attempt: 1 });
    assert.deepEqual(renewal.answer, { answer: "stop", reason: "cancelled" }, `${now}`);
    run = renewal.run;
  }
  const result = { success: false, message: "Stopped", data: { reason: "cancelled" } };
  const reported = decide(run, { kind: "result", driver: "a", step: "a", attempt: 1, result }, 310_000);
  assert.equal((reported.steps[0]?.result?.data as { reason: string }).reason, "cancelled");
  const silent = decide(run, time, 11 * ACK_WAIT);
  assert.equal((silent.steps[0]?.result?.data as { reason: string }).reason, "driver-lost");
});

test("claim answers done where a result is recorded, and stop to who was given up", () => {
  const { run } = ask(submitted("a b!"), 0);
  const result = { kind: "result", driver: "a", step: "a", attempt: 1 } as const;
  const answered = decide(run, { ...result, result: { success: true, message: "" } }, 1);
  assert.deepEqual(ask(answered, 2, { delivery: 2 }).answer, { answer: "done" });
  assert.deepEqual(ask(answered, 2, { attempt: 1 }).answer, { answer: "done" });
  const abandoned = decide(run, { kind: "abandoned", message: "gone" }, 1);
  assert.deepEqual(ask(abandoned, 2, { attempt: 1 }).answer, { answer: "stop", reason: "driver-lost" });
});

test("claim refuses an event that was sent again since, one of a lost round, and one of no step", () => {
  const again = decide(submitted("a"), { kind: "event-lost", step: "a", dispatch: 1, heardAt: undefined }, 1);
  assert.deepEqual(ask(again, 2).answer, { answer: "stop", reason: "driver-lost" });
  assert.equal(ask(again, 2, { event: `${RUN}/a/2` }).answer.answer, "go");
  assert.equal(ask(again, 2, { event: `${RUN}/a/2@h2` }).answer.answer, "go", "it was forwarded to a host");
  assert.deepEqual(ask(again, 2, { event: "nonsense" }).answer, { answer: "stop", reason: "driver-lost" });
  assert.deepEqual(ask(again, 2, { step: "z" }).answer, { answer: "stop", reason: "invalid-event" });

  const { run } = ask(submitted("a b!", { restarts: 1 }), 0);
  const lost = { success: false, message: "lost", data: { reason: "driver-lost" } };
  const restarted = decide(run, { kind: "result", driver: "a", step: "a", attempt: 1, result: lost }, 1);
  assert.deepEqual(ask(restarted, 2, { attempt: 1 }).answer, { answer: "stop", reason: "driver-lost" });
  assert.deepEqual(ask(restarted, 2).answer, { answer: "stop", reason: "driver-lost" });
  const next = ask(restarted, 2, { event: `${RUN}/a/2` });
  assert.equal(next.answer.answer === "go" && next.answer.attempt, 2);
});

test("claim gives a step up that no driver finishes, and counts anew after a restart", () => {
  let run = submitted("a b!", { restarts: 1 });
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const granted = ask(run, attempt, { event: `${RUN}/a/1` });
    assert.equal(granted.answer.answer === "go" && granted.answer.attempt, attempt);
    if (attempt < MAX_ATTEMPTS) run = ask(granted.run, attempt, { attempt, letsGo: true }).run;
    else run = granted.run;
  }
  const lost = { success: false, message: "lost", data: { reason: "driver-lost" } };
  const restarted = decide(run, {
    kind: "result",
    driver: "a",
    step: "a",
    attempt: MAX_ATTEMPTS,
    result: lost,
  }, 50);
  assert.equal(ask(restarted, 60, { event: `${RUN}/a/2` }).answer.answer, "go");
  const free = ask(run, 50, { attempt: MAX_ATTEMPTS, letsGo: true }).run;
  const over = ask(free, 60);
  assert.deepEqual(over.answer, { answer: "stop", reason: "driver-lost" });
  assert.equal(statuses(over.run), "a:failed b:dispatched");
  assert.equal(over.run.verdict?.reason, "driver-lost");
});

test("claim keeps what a renewal says of the step's progress, for attempts to come, until the step ends", () => {
  const { run } = ask(submitted("a"), 0);
  const kept = ask(run, 10, { attempt: 1, progress: "[1]" });
  assert.deepEqual(kept.answer, { answer: "go", attempt: 1, tries: 1, isNew: false, remainingMs: 3_599_990 });
  assert.equal(kept.run.steps[0]?.heardAt, 10);
  const later = ask(kept.run, 20, { attempt: 1 });
  assert.equal(later.run, kept.run, "a renewal without progress changes nothing of it");
  const letGo = ask(later.run, 30, { attempt: 1, letsGo: true });
  const next = ask(letGo.run, 40, { instance: "j" });
  assert.equal(next.answer.answer === "go" && next.answer.progress, "[1]");
  const late = ask(next.run, 50, { attempt: 1, progress: "[2]" });
  assert.deepEqual([late.answer.answer, late.run], ["stop", next.run]);
  const result = { success: true, message: "" };
  const ended = decide(next.run, { kind: "result", driver: "a", step: "a", attempt: 2, result }, 60);
  assert.deepEqual([ended.steps[0]?.status, ended.steps[0]?.progress], ["succeeded", undefined]);
});
