import assert from "node:assert/strict";
import { test } from "node:test";
import { storeSingly } from "../../lib/driver/log/single-lines.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { openStepLog } from "../../lib/driver/log/step-log.ts";

function logOver(options: Parameters<typeof storeSingly>[0]) {
  return openStepLog({
    fields: { run: "run-1", driver: "builder", step: "build", pipeline: "flutter" },
    mask: maskOf({ TOKEN: "hunter2hunter2" }),
    maxBytes: 1024 ** 3,
    store: storeSingly(options),
  });
}

test("storeSingly makes each line a Log of Conveyor's own five fields, with a time above the one before", async () => {
  const stored: string[] = [];
  const log = logOver({
    store: (n, line) => Promise.resolve(void (stored[n - 1] = line)),
    show: () => Promise.resolve(),
  });
  await log.line("from the driver");
  await log.write("stdout", Buffer.from('with "quotes" and hunter2hunter2\nlast, without a newline'));
  await log.finish();
  const lines = stored.map((text) => JSON.parse(text));
  assert.deepEqual(
    lines.map(({ timestamp: _, ...fields }) => fields),
    ["from the driver", 'with "quotes" and ***', "last, without a newline"].map((message) => ({
      runid: "run-1",
      driver: "builder",
      pipeline: "flutter",
      message,
    })),
  );
  const times = lines.map(({ timestamp }) => timestamp);
  assert.deepEqual(new Set(times.toSorted()).size, 3);
  assert.deepEqual(times.toSorted(), times);
  for (const time of times) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

test("storeSingly has many lines on their way at once, and ends only when the last of them is stored", async () => {
  const open: (() => void)[] = [];
  let most = 0;
  const shown: string[] = [];
  const log = logOver({
    store: () =>
      new Promise((resolve) => {
        most = Math.max(most, open.push(resolve));
      }),
    show: (line) => Promise.resolve(void shown.push(JSON.parse(line).message)),
  });
  await log.write("stdout", Buffer.from(Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join("")));
  let isDone = false;
  const finished = log.finish().then(() => isDone = true);
  for (let stored = 0; stored < 300;) {
    await new Promise(setImmediate);
    // The last to be sent is the first to be stored.
    for (const resolve of open.splice(0).reverse()) {
      assert.equal(isDone, false);
      resolve();
      stored++;
    }
  }
  await finished;
  assert.ok(most > 50 && most <= 256, `${most} at once`);
  assert.deepEqual(shown, Array.from({ length: 300 }, (_, i) => `line ${i}`));
});

test("storeSingly fails the log with what a line's store threw, and not with a live copy that got lost", async () => {
  const lost = logOver({
    store: () => Promise.resolve(),
    show: () => Promise.reject(new Error("not shown")),
  });
  await lost.line("one");
  await lost.finish();
  const broken = logOver({
    store: (n) => n === 2 ? Promise.reject(new Error("not stored")) : Promise.resolve(),
    show: () => Promise.resolve(),
  });
  await broken.line("one\ntwo\nthree");
  await assert.rejects(broken.finish(), /not stored/);
});
