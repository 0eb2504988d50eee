import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { Lease, type LeaseOptions } from "../../lib/driver/claim/lease.ts";
import { Leases } from "../../lib/driver/claim/leases.ts";
import type { StopError } from "../../lib/driver/driver.ts";
import type { ClaimReply } from "../../lib/wire/claim.ts";
import { shortTimers, turns, until } from "../support/until.ts";

const HOUR = 3_600_000;
const GO: ClaimReply = { answer: "go", attempt: 2 };

const leaseOf = (options: Partial<LeaseOptions> = {}) =>
  new Lease({
    attempt: 2,
    working: () => Promise.resolve(),
    heartbeatMs: () => HOUR,
    reportMs: HOUR,
    clock: () => 1000,
    ...options,
  });
const reasonOf = ({ signal }: Lease): string | undefined => (signal.reason as StopError | undefined)?.reason;
const away = () => Promise.reject(new Retryable("Nobody answers", { reason: "transport-unreachable" }));

test("a lease without an engine is held, and nothing is kept for a later attempt", async () => {
  using lease = leaseOf();
  assert.equal(await lease.confirm(), true);
  await lease.keep("{}");
  lease.nudge();
  assert.deepEqual([lease.deadline, lease.isLost, reasonOf(lease)], [undefined, false, undefined]);
});

test("a lease is confirmed by an answer for its attempt, and lost with any other", async () => {
  const cases: [ClaimReply, isHeld: boolean, reason: string | undefined, isReporting: boolean][] = [
    [GO, true, undefined, true],
    [{ answer: "go", attempt: 3 }, false, "driver-lost", false],
    [{ answer: "done" }, false, "driver-lost", false],
    [{ answer: "wait", retryMs: 1 }, false, "driver-lost", false],
    [{ answer: "stop", reason: "driver-lost" }, false, "driver-lost", false],
    // What was cancelled is still ours to clean up and to report.
    [{ answer: "stop", reason: "cancelled" }, true, "cancelled", true],
  ];
  for (const [reply, isHeld, reason, isReporting] of cases) {
    using lease = leaseOf({ renew: () => Promise.resolve(reply) });
    assert.deepEqual([await lease.confirm(), lease.isLost], [isHeld, !isHeld], JSON.stringify(reply));
    assert.deepEqual([reasonOf(lease), lease.reportSignal.aborted], [reason, !isReporting]);
  }
});

test("confirm asks until there is an answer, gives up with the report, and hides no defect", async () => {
  let asked = 0;
  using late = leaseOf({ renew: () => ++asked < 2 ? away() : Promise.resolve(GO) });
  assert.equal(await late.confirm(), true);
  using never = leaseOf({ renew: away });
  const asking = never.confirm();
  never.abandon();
  assert.equal(await asking, false);
  using broken = leaseOf({ renew: () => Promise.reject(new TypeError("a defect")) });
  await assert.rejects(broken.confirm(), TypeError);
});

test("a deadline is counted from the answer that told it, and only a newer answer moves it", async () => {
  let reply: ClaimReply = { ...GO, remainingMs: 5000 };
  using lease = leaseOf({ remainingMs: 2000, renew: () => Promise.resolve(reply) });
  assert.equal(lease.deadline, 3000);
  await lease.confirm();
  assert.equal(lease.deadline, 6000);
  reply = GO;
  await lease.confirm();
  assert.equal(lease.deadline, 6000);
  reply = { ...GO, remainingMs: 1 };
  await lease.confirm();
  await until(() => lease.signal.aborted);
  assert.equal(reasonOf(lease), "timeout");
});

test("only the first reason to stop counts, and abandoning ends the report too", async () => {
  using lease = leaseOf();
  lease.stop("cancelled");
  lease.stop("timeout");
  assert.deepEqual([reasonOf(lease), lease.reportSignal.aborted], ["cancelled", false]);
  lease.abandon();
  assert.deepEqual([reasonOf(lease), lease.reportSignal.aborted], ["cancelled", true]);
  using short = leaseOf({ reportMs: 1 });
  short.stop("cancelled");
  await until(() => short.reportSignal.aborted);
});

test("after the work its report has the rest of its time, and an hour where it has no deadline", async () => {
  using timed = leaseOf({ reportMs: 1, remainingMs: 50 });
  timed.workDone();
  await shortTimers();
  assert.equal(timed.reportSignal.aborted, false);
  await until(() => timed.reportSignal.aborted);
  using free = leaseOf({ reportMs: 1 });
  free.workDone();
  // The time is set once: being told to stop afterwards does not shorten it.
  free.stop("cancelled");
  await shortTimers();
  await shortTimers();
  assert.equal(free.reportSignal.aborted, false);
});

test("a heartbeat keeps the event and renews the claim, whatever fails, until the lease is disposed of", async () => {
  let [heartbeats, renewals] = [0, 0];
  const lease = leaseOf({
    heartbeatMs: () => 1,
    working: () => Promise.reject(new Error(`${++heartbeats}`)),
    renew: () => ++renewals % 2 === 0 ? away() : Promise.resolve(GO),
  });
  await until(() => heartbeats > 3 && renewals > 3);
  lease[Symbol.dispose]();
  const seen = [heartbeats, renewals];
  lease.nudge();
  await shortTimers();
  await shortTimers();
  assert.deepEqual([heartbeats, renewals], seen);
  assert.equal(lease.isLost, false);
});

test("a nudge renews at once, once more where it comes while an answer is awaited, and not twice at a time", async () => {
  const answers: PromiseWithResolvers<ClaimReply>[] = [];
  using lease = leaseOf({
    renew: () => {
      const answer = Promise.withResolvers<ClaimReply>();
      answers.push(answer);
      return answer.promise;
    },
  });
  lease.nudge();
  lease.nudge();
  lease.nudge();
  assert.equal(answers.length, 1);
  answers[0]?.resolve(GO);
  await until(() => answers.length === 2);
  answers[1]?.resolve(GO);
  await turns();
  assert.equal(answers.length, 2);
});

test("an answer that comes after the lease was disposed of changes nothing", async () => {
  const answer = Promise.withResolvers<ClaimReply>();
  const lease = leaseOf({ renew: () => answer.promise });
  lease.nudge();
  lease[Symbol.dispose]();
  answer.resolve({ answer: "done" });
  await turns();
  assert.deepEqual([lease.isLost, lease.signal.aborted], [false, false]);
});

test("keep sends progress until it is taken, and heeds what it is answered", async () => {
  const kept: string[] = [];
  using lease = leaseOf({
    keep: (progress) => {
      kept.push(progress);
      return kept.length < 2 ? away() : Promise.resolve({ answer: "stop", reason: "cancelled" });
    },
  });
  await lease.keep("7");
  assert.deepEqual([kept, reasonOf(lease)], [["7", "7"], "cancelled"]);
});

test("Leases holds an event once, and knows the runs of what is in hand", () => {
  const leases = new Leases();
  const taken = leases.take("r/1");
  assert.ok(taken);
  assert.equal(leases.take("r/1"), undefined);
  taken[Symbol.dispose]();
  assert.ok(leases.take("r/1"));
  using one = leaseOf();
  using other = leaseOf();
  const [first, second] = [leases.add("r", one), leases.add("r", other)];
  assert.deepEqual(leases.runs, ["r"]);
  first[Symbol.dispose]();
  assert.deepEqual(leases.runs, ["r"]);
  second[Symbol.dispose]();
  assert.deepEqual(leases.runs, []);
});

test("Leases stops what is in hand and what begins later, and nudges one run's only", () => {
  const leases = new Leases();
  const nudged: string[] = [];
  const nudging = (name: string) =>
    leaseOf({
      renew: () => {
        nudged.push(name);
        return Promise.resolve(GO);
      },
    });
  using a = nudging("a");
  using b = nudging("b");
  leases.add("a", a);
  leases.add("b", b);
  leases.nudge("a");
  leases.nudge("none");
  assert.deepEqual(nudged, ["a"]);
  leases.stop("shutdown");
  using late = leaseOf();
  leases.add("c", late);
  assert.deepEqual([a, b, late].map(reasonOf), ["shutdown", "shutdown", "shutdown"]);
  assert.equal(late.reportSignal.aborted, false);
  leases.abandon();
  assert.equal(late.reportSignal.aborted, true);
});
