import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable, isWithin } from "../../lib/base/signals.ts";
import { turns } from "../support/until.ts";

test("abortable handles the rejection of a promise that nobody waits for any more, whenever the signal fires", async () => {
  const reason = new Error("The host ends");
  const unhandled: unknown[] = [];
  const hear = (error: unknown) => void unhandled.push(error);
  process.on("unhandledRejection", hear);
  try {
    for (const isBefore of [true, false]) {
      const controller = new AbortController();
      if (isBefore) controller.abort(reason);
      const { promise, reject } = Promise.withResolvers<void>();
      const waiting = abortable(promise, controller.signal);
      controller.abort(reason);
      reject(new Error("The request was aborted"));
      await assert.rejects(waiting, reason);
    }
    await turns(5);
    assert.deepEqual(unhandled, []);
  } finally {
    process.off("unhandledRejection", hear);
  }
});

test("isWithin tells whether a promise resolves in time, and rejects as it does", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  assert.equal(await isWithin(Promise.resolve(), Infinity), true);
  assert.equal(await isWithin(promise, 0), false);
  const waiting = isWithin(promise, Infinity);
  reject(new Error("The thread has ended"));
  await assert.rejects(waiting, /The thread has ended/);
});
