import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveLines } from "../../lib/driver/log/live-lines.ts";
import { storeSingly } from "../../lib/driver/log/single-lines.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { openStepLog } from "../../lib/driver/log/step-log.ts";
import { turns, until } from "../support/until.ts";

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
    show: () => {},
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
    show: (line) => void shown.push(JSON.parse(line).message),
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

test("storeSingly fails the log with what a line's store threw", async () => {
  const broken = logOver({
    store: (n) => n === 2 ? Promise.reject(new Error("not stored")) : Promise.resolve(),
    show: () => {},
  });
  await broken.line("one\ntwo\nthree");
  await assert.rejects(broken.finish(), /not stored/);
});

/** Lines of a run as they are shown, and pauses that the test ends. */
function onAir() {
  const shown: string[] = [];
  const pauses: (() => void)[] = [];
  const live = new LiveLines({
    transport: { broadcast: (_, line) => Promise.resolve(void shown.push(JSON.parse(String(line)).message)) },
    pause: () => new Promise((resolve) => pauses.push(resolve)),
  });
  return {
    shown,
    live,
    async next() {
      await until(() => pauses.length > 0, "there is a pause");
      pauses.shift()?.();
      await turns(3);
    },
  };
}

test("LiveLines shows a burst a few lines at a time and in order, and a line that comes alone at once", async () => {
  const { shown, live, next } = onAir();
  live.show("a", JSON.stringify({ message: "first" }));
  await turns(3);
  assert.deepEqual(shown, ["first"]);
  await next();
  for (let i = 0; i < 300; i++) live.show("a", JSON.stringify({ message: `line ${i}` }));
  await turns(3);
  for (let before = 1; shown.length < 301;) {
    assert.ok(shown.length > before && shown.length - before <= 64, `${shown.length - before} at once`);
    before = shown.length;
    await next();
  }
  assert.deepEqual(shown, ["first", ...Array.from({ length: 300 }, (_, i) => `line ${i}`)]);
});

test("LiveLines says how many lines it leaves out when too many wait, and shows what comes after them", async () => {
  const { shown, live, next } = onAir();
  const long = "x".repeat(1024 * 1024);
  for (let i = 0; i < 20; i++) live.show("a", JSON.stringify({ message: `${i} ${long}` }));
  await next();
  live.show("a", JSON.stringify({ message: "after" }));
  await next();
  const numbers = shown.map((message) => message.startsWith("…") ? message : message.split(" ")[0]);
  const kept = Array.from({ length: 8 }, (_, i) => `${i}`);
  assert.deepEqual(numbers.slice(0, 8), kept);
  assert.match(
    numbers.at(-2) ?? "",
    /^… \d+ lines arrived too fast to be shown here; they are in the stored log$/,
  );
  assert.equal(numbers.at(-1), "after");
});

test("LiveLines says in their place how many lines it leaves out, at each gap", async () => {
  const { shown, live, next } = onAir();
  const long = "x".repeat(16 * 1024);
  let sent = 0;
  const send = (count: number) => {
    for (const until = sent + count; sent < until; sent++) {
      live.show("a", JSON.stringify({ message: `${sent} ${long}` }));
    }
  };
  send(600);
  // More than half of those that wait are shown, so there is room again.
  while (shown.length < 300) await next();
  assert.ok(!shown.at(-1)?.startsWith("…"), "not all are shown yet");
  send(600);
  for (let before = -1; before < shown.length;) {
    before = shown.length;
    await next();
  }
  let place = 0;
  const gaps: number[] = [];
  for (const message of shown) {
    const count = Number(/^… (\d+) lines/.exec(message)?.[1]);
    if (count > 0) gaps.push(place += count);
    else assert.equal(message.split(" ")[0], String(place++));
  }
  assert.equal(place, 1200);
  assert.deepEqual(gaps, [600, 1200]);
});

test("LiveLines goes on after a line that could not be sent", async () => {
  const shown: string[] = [];
  const live = new LiveLines({
    transport: {
      broadcast: (_, line) =>
        line === "1" ? Promise.reject(new Error("away")) : Promise.resolve(void shown.push(String(line))),
    },
    pause: () => Promise.resolve(),
  });
  for (const line of ["0", "1", "2"]) live.show("a", line);
  await turns(5);
  assert.deepEqual(shown, ["0", "2"]);
});
