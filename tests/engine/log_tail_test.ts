import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogBatch, LogReader } from "../../lib/backend/store.ts";
import { LogTail } from "../../lib/engine/shell/log-tail.ts";

const batch = (firstSeq: number, lines: number): LogBatch => ({
  cursor: String(firstSeq),
  firstSeq,
  step: "a",
  attempt: 1,
  lines: Array.from({ length: lines }, () => ({ runid: "r", driver: "a", timestamp: "", message: "" })),
});

/** A log whose follower lags behind who reads what is stored. */
function logOf(stored: LogBatch[], coming: LogBatch[]): LogReader {
  return {
    async *read(_run, { after, follow } = {}) {
      if (follow) yield* coming;
      else yield* stored.filter(({ cursor }) => Number(cursor) > Number(after ?? 0));
    },
    tail: () => Promise.resolve([]),
    count: () => Promise.resolve(0),
  };
}

test("LogTail gives every batch out once, whichever way it comes", async () => {
  const stored = [batch(1, 2)];
  const rung: (() => void)[] = [];
  const ring = () => rung.shift()?.();
  await using tail = new LogTail(logOf(stored, [batch(3, 1), batch(4, 2), batch(6, 1)]), "r", ring);
  const next = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    rung.push(resolve);
    tail.listen();
    await promise;
    return tail.arrived()?.firstSeq;
  };
  const drained = async () => (await Array.fromAsync(tail.stored())).map(({ firstSeq }) => firstSeq);
  assert.deepEqual(await drained(), [1]);
  assert.equal(await next(), 3);
  stored.push(batch(3, 1), batch(4, 2));
  assert.deepEqual(await drained(), [4]);
  assert.equal(await next(), undefined, "it has been given out");
  assert.equal(await next(), 6);
  assert.equal(tail.lines, 6);
});

test("LogTail throws what reading threw", async () => {
  const broken: LogReader = {
    // deno-lint-ignore require-yield
    async *read() {
      throw new Error("Cannot read");
    },
    tail: () => Promise.resolve([]),
    count: () => Promise.resolve(0),
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  await using tail = new LogTail(broken, "r", resolve);
  await assert.rejects(Array.fromAsync(tail.stored()), /Cannot read/);
  tail.listen();
  await promise;
  assert.throws(() => tail.arrived(), /Cannot read/);
});
