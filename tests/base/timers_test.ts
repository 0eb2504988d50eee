import assert from "node:assert/strict";
import { test } from "node:test";
import { delay } from "../../lib/base/signals.ts";
import { startInterval, startTimer, stopTimer, timeoutSignal } from "../../lib/base/timers.ts";
import { parseDuration } from "../../lib/base/units.ts";
import { shortTimers } from "../support/until.ts";

/** Longer than the 32 bits in which the runtimes keep a delay: they would fire such a timer at once. */
const DAYS_25 = 25 * 86_400_000;

test("startTimer, timeoutSignal and delay keep to a time of 25 days, and to one without end", async () => {
  const fired: string[] = [];
  const timers = [DAYS_25, Infinity].map((ms) => startTimer(() => fired.push(`timer of ${ms}`), ms));
  const signal = timeoutSignal(DAYS_25);
  const leaving = new AbortController();
  const waiting = delay(DAYS_25, { signal: leaving.signal }).then(
    () => fired.push("delay"),
    (reason) => reason,
  );
  await shortTimers();
  assert.deepEqual(fired, []);
  assert.equal(signal.aborted, false);
  for (const timer of timers) stopTimer(timer);
  leaving.abort("enough");
  assert.equal(await waiting, "enough");
});

test("startTimer divides what is too long for the runtime, and fires once after all of it", async () => {
  const fired: string[] = [];
  const last = Promise.withResolvers<void>();
  startTimer(
    () => {
      fired.push("divided");
      // Longer than a part.
      startTimer(last.resolve, 20);
    },
    50,
    10,
  );
  startTimer(() => fired.push("shorter"), 40);
  await last.promise;
  assert.deepEqual(fired, ["shorter", "divided"]);
});

test("stopTimer stops a timer in any of its parts, an interval, and nothing", async () => {
  const fired: string[] = [];
  const timer = startTimer(() => fired.push("timer"), 40, 10);
  const interval = startInterval(() => fired.push("interval"), 30);
  stopTimer(interval);
  await new Promise<void>((resolve) => startTimer(resolve, 15));
  stopTimer(timer);
  stopTimer(undefined);
  await new Promise<void>((resolve) => startTimer(resolve, 60));
  assert.deepEqual(fired, []);
  assert.throws(() => startInterval(() => {}, DAYS_25), /Invalid interval/);
});

test("parseDuration refuses a time that ends at no valid date", () => {
  assert.equal(parseDuration("36500d"), 36_500 * 86_400_000);
  assert.throws(() => parseDuration("36501d"), /Invalid duration "36501d": expected 36500d at most/);
  assert.throws(() => parseDuration("9".repeat(400)), /expected 36500d at most/);
});
