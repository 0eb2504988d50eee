import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { backOff, jittered, pause, retry } from "../../lib/base/retry.ts";

const away = (reason = "transport-unreachable") => new Retryable("Away", { reason });

/** Fails so often, then answers how often it was called. */
function failing(times: number, failure: () => Error) {
  let calls = 0;
  return () => ++calls <= times ? Promise.reject(failure()) : Promise.resolve(calls);
}

test("retry tries again while the machinery fails", async () => {
  assert.equal(await retry(failing(3, away), {}), 4);
});

test("retry throws any other failure at once", async () => {
  const work = failing(1, () => new TypeError("A defect"));
  await assert.rejects(retry(work, {}), TypeError);
  assert.equal(await work(), 2);
});

test("retry throws the last failure when its tries are used up", async () => {
  const work = failing(10, away);
  await assert.rejects(retry(work, { tries: 2 }), Retryable);
  await assert.rejects(work());
  assert.equal(await retry(failing(1, away), { tries: 2 }), 2);
});

test("retry does not wait for a disk to become empty", async () => {
  await assert.rejects(retry(failing(10, () => away("disk-full")), {}), { reason: "disk-full" });
});

test("retry stops waiting when its signal fires, but tries once in any case", async () => {
  const stopping = new AbortController();
  const work = failing(Infinity, () => {
    // When retry waits already.
    setImmediate(() => stopping.abort());
    return away();
  });
  await assert.rejects(retry(work, { signal: stopping.signal }), Retryable);
  assert.equal(await retry(failing(0, away), { signal: stopping.signal }), 1);
});

test("backOff doubles up to its limit", () => {
  assert.deepEqual([1, 2, 3, 4, 40, 4000].map((n) => backOff(n, 100, 500)), [100, 200, 400, 500, 500, 500]);
});

test("retry takes for transient what it is told, and throws the rest at once", async () => {
  const isTransient = (error: unknown) => error instanceof RangeError;
  const quick = { tries: 5, firstMs: 1, isTransient };
  assert.equal(await retry(failing(3, () => new RangeError("again")), quick), 4);
  const work = failing(1, away);
  await assert.rejects(retry(work, quick), Retryable);
  assert.equal(await work(), 2);
});

test("jittered is between half of a time and all of it", () => {
  const times = Array.from({ length: 200 }, () => jittered(100));
  assert.ok(times.every((ms) => ms >= 50 && ms <= 100));
  assert.ok(new Set(times).size > 1);
});

test("pause ends when its signal fires, and does not reject", async () => {
  const stopping = new AbortController();
  const waiting = pause(1, { firstMs: 1_000_000, mostMs: 1_000_000, signal: stopping.signal });
  stopping.abort();
  assert.equal(await waiting, undefined);
});
