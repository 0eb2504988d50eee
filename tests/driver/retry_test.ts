import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { backOff, persist } from "../../lib/base/retry.ts";

const away = (reason = "transport-unreachable") => new Retryable("Away", { reason });

/** Fails so often, then answers how often it was called. */
function failing(times: number, failure: () => Error) {
  let calls = 0;
  return () => ++calls <= times ? Promise.reject(failure()) : Promise.resolve(calls);
}

test("persist tries again while the machinery fails", async () => {
  assert.equal(await persist(failing(3, away), {}), 4);
});

test("persist throws any other failure at once", async () => {
  const work = failing(1, () => new TypeError("A defect"));
  await assert.rejects(persist(work, {}), TypeError);
  assert.equal(await work(), 2);
});

test("persist throws the last failure when its tries are used up", async () => {
  const work = failing(10, away);
  await assert.rejects(persist(work, { tries: 2 }), Retryable);
  await assert.rejects(work());
  assert.equal(await persist(failing(1, away), { tries: 2 }), 2);
});

test("persist does not wait for a disk to become empty", async () => {
  await assert.rejects(persist(failing(10, () => away("disk-full")), {}), { reason: "disk-full" });
});

test("persist stops waiting when its signal fires, but tries once in any case", async () => {
  const stopping = new AbortController();
  const work = failing(Infinity, () => {
    // When persist waits already.
    setImmediate(() => stopping.abort());
    return away();
  });
  await assert.rejects(persist(work, { signal: stopping.signal }), Retryable);
  assert.equal(await persist(failing(0, away), { signal: stopping.signal }), 1);
});

test("backOff doubles up to its limit", () => {
  assert.deepEqual([1, 2, 3, 4, 40, 4000].map((n) => backOff(n, 100, 500)), [100, 200, 400, 500, 500, 500]);
});
