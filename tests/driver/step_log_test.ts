import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Batch } from "../../lib/driver/log/batches.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { openStepLog } from "../../lib/driver/log/step-log.ts";
import { Log } from "../../lib/wire/messages.ts";
import { shortTimers, turns } from "../support/until.ts";

const NEVER = 3_600_000;
const RUN = "fbab31f6-a278-4a8f-96be-ac49b007ca65";

interface Options {
  secrets?: Record<string, string>;
  maxBytes?: number;
  waitMs?: number;
  clock?: () => number;
  maxLinesPerSecond?: number;
  maxMessageBytes?: number;
  store?: (batch: Batch) => Promise<void>;
}

function open(options: Options = {}) {
  const batches: Batch[] = [];
  const log = openStepLog({
    fields: { run: RUN, driver: "builder", step: "build", pipeline: "flutter" },
    mask: maskOf(options.secrets ?? {}),
    maxBytes: options.maxBytes ?? Number.POSITIVE_INFINITY,
    waitMs: options.waitMs ?? NEVER,
    ...options.clock && { clock: options.clock },
    maxLinesPerSecond: options.maxLinesPerSecond,
    ...options.maxMessageBytes !== undefined && { maxMessageBytes: options.maxMessageBytes },
    store: async (some) => {
      for (const batch of some) {
        await options.store?.(batch);
        batches.push(kept(batch));
      }
    },
  });
  return {
    log,
    batches,
    lines: () => batches.flatMap(linesOf),
    messages: () => batches.flatMap(linesOf).map((line) => line.message),
  };
}

/** A copy: buffers of stored batches are used again. */
const kept = (batch: Batch): Batch => ({ ...batch, data: batch.data.slice() });

function linesOf(batch: Batch): Log[] {
  const lines = Buffer.from(batch.data).toString().split("\n").map((line) => Log.parse(JSON.parse(line)));
  assert.equal(lines.length, batch.lines);
  return lines;
}

test("StepLog stores whole Log objects with the step's facts, the stream and a time of fixed width", async () => {
  const { log, lines } = open({ clock: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
  await log.line("one\ntwo");
  await log.write("stdout", Buffer.from("out"));
  await log.write("stderr", Buffer.from("err\n"));
  await log.finish();
  const all = {
    runid: RUN,
    driver: "builder",
    pipeline: "flutter",
    step: "build",
    timestamp: "2026-01-02T03:04:05.006Z",
  };
  assert.deepEqual(lines(), [
    { ...all, stream: "system", message: "one" },
    { ...all, stream: "system", message: "two" },
    { ...all, stream: "stderr", message: "err" },
    { ...all, stream: "stdout", message: "out" },
  ]);
});

test("StepLog leaves the pipeline out where there is none", async () => {
  const batches: Batch[] = [];
  const log = openStepLog({
    fields: { run: RUN, driver: "d", step: "s" },
    mask: maskOf({}),
    maxBytes: 1,
    store: (some) => Promise.resolve(void batches.push(...some)),
  });
  await log.line("x");
  await log.finish();
  assert.equal("pipeline" in (batches.flatMap(linesOf)[0] ?? {}), false);
});

test("StepLog's times never go back when the clock does", async () => {
  const times = [2000, 1000, 3000];
  const { log, lines } = open({ clock: () => times.shift() ?? 3000 });
  for (const text of ["a", "b", "c"]) await log.line(text);
  await log.finish();
  assert.deepEqual(lines().map((line) => Date.parse(line.timestamp)), [2000, 2000, 3000]);
});

test("StepLog gathers lines into batches of at most 64 KiB, numbered by their first line", async () => {
  const { log, batches, messages } = open();
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${"x".repeat(i % 90)}`);
  await log.write("stdout", Buffer.from(lines.join("\n")));
  await log.finish();
  assert.deepEqual(messages(), lines);
  let first = 1;
  for (const batch of batches) {
    assert.equal(batch.first, first);
    assert.ok(batch.data.length <= 65_536, `${batch.data.length}`);
    first += batch.lines;
  }
  assert.ok(batches.length < 25, `${batches.length} batches`);
});

test("StepLog stores a line without waiting for others that do not come", async () => {
  const stored = Promise.withResolvers<Batch>();
  const { log } = open({ waitMs: 5, store: (batch) => Promise.resolve(stored.resolve(batch)) });
  await log.line("alone");
  assert.deepEqual(linesOf(await stored.promise).map((line) => line.message), ["alone"]);
  await log.finish();
});

test("StepLog has one batch being stored at a time, in order, and gathers the rest meanwhile", async () => {
  let storing = 0;
  const { log, messages, batches } = open({
    waitMs: 0,
    store: async () => {
      assert.equal(++storing, 1);
      await turns(10);
      storing--;
    },
  });
  const lines = Array.from({ length: 200 }, (_, i) => `line ${i}`);
  for (const line of lines) {
    await log.line(line);
    if (Number(line.slice(5)) % 10 === 0) await shortTimers();
  }
  await log.finish();
  assert.deepEqual(messages(), lines);
  assert.ok(batches.length > 1);
});

test("StepLog makes a writer wait while the store does not keep up, and loses nothing", async () => {
  const gate = Promise.withResolvers<void>();
  const { log, messages } = open({ store: () => gate.promise });
  const block = Buffer.from(`${"x".repeat(99)}\n`.repeat(10_000));
  let isWritten = false;
  const writing = log.write("stdout", block).then(() => isWritten = true);
  const other = log.write("stdout", Buffer.from("second\n"));
  const line = log.line("from the driver");
  await turns();
  assert.equal(isWritten, false);
  gate.resolve();
  await Promise.all([writing, other, line]);
  await log.finish();
  const stored = messages();
  assert.equal(stored.length, 10_002);
  assert.equal(stored.at(-1), "second");
});

test("StepLog throws at writers and at its end what the store threw", async () => {
  const failure = new Error("The disk is gone");
  const { log } = open({ store: () => Promise.reject(failure) });
  const block = Buffer.from(`${"x".repeat(99)}\n`.repeat(20_000));
  await assert.rejects(log.write("stdout", block), failure);
  await assert.rejects(log.write("stdout", block), failure);
  await assert.rejects(log.line("x"), failure);
  await assert.rejects(log.finish(), failure);
});

test("StepLog masks output that comes in pieces and the driver's own lines", async () => {
  const { log, messages } = open({ secrets: { TOKEN: "swordfish" } });
  await log.write("stdout", Buffer.from("a sword"));
  await log.write("stderr", Buffer.from("fish"));
  await log.write("stdout", Buffer.from("fish!\n"));
  await log.line("url https://x:swordfish@host");
  await log.endLines();
  assert.deepEqual(log.recent(10), ["a ***!", "url https://x:***@host", "fish"]);
  await log.finish();
  assert.deepEqual(messages(), ["a ***!", "url https://x:***@host", "fish"]);
});

test("StepLog says once that its limit is reached, counts the rest, and keeps the driver's own lines", async () => {
  const { log, messages } = open({ maxBytes: 10 });
  await log.write("stdout", Buffer.from("12345678\nabc\n"));
  await log.line("from the driver");
  await log.write("stderr", Buffer.from("x\ny\n"));
  assert.deepEqual(log.recent(4), ["abc", "from the driver", "x", "y"]);
  await log.finish();
  assert.deepEqual(messages(), [
    "12345678",
    "The log has reached its limit of 10 B: what follows is counted and not kept",
    "from the driver",
    "3 lines (8 B) were not kept: the log had reached its limit",
  ]);
});

test("StepLog marks the pieces of a line that is longer than 64 KiB", async () => {
  const { log, messages, batches } = open();
  await log.write("stdout", Buffer.from(`${"\u0001".repeat(70_000)}\n`));
  await log.finish();
  const [first, second] = messages();
  assert.equal(first, `${"\u0001".repeat(65_536)} … [cut at 64 KiB, goes on in the next line]`);
  assert.equal(second, "\u0001".repeat(70_000 - 65_536));
  for (const batch of batches) assert.ok(batch.data.length < 512 * 1024);
});

test("StepLog keeps its most recent lines at hand, stored or not", async () => {
  const { log } = open();
  await log.write("stdout", Buffer.from(Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join("")));
  assert.deepEqual(log.recent(3), ["line 2997", "line 2998", "line 2999"]);
  assert.equal(log.recent(500).length, 500);
  assert.deepEqual(log.recent(0), []);
  await log.finish();
  assert.deepEqual(log.recent(1), ["line 2999"]);
});

test("StepLog stores what has gathered as soon as the store is free again", async () => {
  const gate = Promise.withResolvers<void>();
  const [first, second] = [Promise.withResolvers<Batch>(), Promise.withResolvers<Batch>()];
  const { log } = open({
    waitMs: 1,
    store: (batch) => {
      (batch.first > 1 ? second : first).resolve(batch);
      return gate.promise;
    },
  });
  await log.line("first");
  await first.promise;
  await log.line("second");
  // Its time has come while the store is busy.
  await shortTimers();
  gate.resolve();
  assert.deepEqual(linesOf(await second.promise).map((line) => line.message), ["second"]);
  await log.finish();
});

test("StepLog stores batches together, as many as have gathered", async () => {
  const groups: Batch[][] = [];
  const log = openStepLog({
    fields: { run: RUN, driver: "d", step: "s" },
    mask: maskOf({}),
    maxBytes: Number.POSITIVE_INFINITY,
    waitMs: NEVER,
    store: (batches) => Promise.resolve(void groups.push(batches.map(kept))),
  });
  const lines = Array.from({ length: 800 }, (_, i) => `${i} ${"x".repeat(995)}`);
  await log.write("stdout", Buffer.from(`${lines.join("\n")}\n`));
  await log.finish();
  assert.deepEqual(groups.flat().flatMap(linesOf).map(({ message }) => message), lines);
  // The first to come have waited for as many as may go together; the last go with what there is.
  assert.equal(groups[0]?.length, 8);
  assert.ok(groups.length < 4, `${groups.length} groups`);
});

test("StepLog takes no new buffers for a longer log, and remembers its last lines all the same", async () => {
  const buffers = new Set<ArrayBufferLike>();
  const { log, messages } = open({
    store: (batch) => Promise.resolve(void buffers.add(batch.data.buffer)),
  });
  const lines: string[] = [];
  const writeMore = async () => {
    const some = Array.from({ length: 10_000 }, (_, i) => `${lines.length + i} ${"x".repeat(190)}`);
    lines.push(...some);
    await log.write("stdout", Buffer.from(`${some.join("\n")}\n`));
  };
  for (let i = 0; i < 3; i++) await writeMore();
  const used = new Set(buffers);
  for (let i = 0; i < 3; i++) await writeMore();
  assert.ok(used.size < 40, `${used.size} buffers`);
  assert.equal(buffers.size, used.size);
  assert.deepEqual(log.recent(700), lines.slice(-700));
  await log.finish();
  assert.deepEqual(messages(), lines);
});

test("StepLog does not end the process for a writer that did not wait", async () => {
  const stored = Promise.withResolvers<void>();
  const store = () => {
    stored.resolve();
    return Promise.reject(new Error("The disk is gone"));
  };
  const { log } = open({ waitMs: 0, store });
  await log.line("first");
  await stored.promise;
  await turns();
  void log.line("second");
  void log.write("stdout", Buffer.from("third\n"));
  await turns();
  await assert.rejects(log.finish(), /The disk is gone/);
});

test("StepLog drops what comes after its end", async () => {
  const { log, messages } = open({ waitMs: 0 });
  await log.line("in time");
  await log.finish();
  await log.line("too late");
  await log.write("stdout", Buffer.from("too late\n"));
  await log.finish();
  assert.deepEqual(messages(), ["in time"]);
});

test("StepLog takes so many lines a second, lets who writes faster wait, and loses none", async () => {
  const { log, messages } = open({ maxLinesPerSecond: 100 });
  const lines = Array.from({ length: 130 }, (_, n) => `line ${n}`);
  const data = Buffer.from(lines.map((line) => `${line}\n`).join(""));
  const began = process.hrtime.bigint();
  await log.write("stdout", data);
  await log.finish();
  const tookMs = Number(process.hrtime.bigint() - began) / 1e6;
  assert.deepEqual(messages(), lines);
  // 100 at once, and the others 10 ms after each other.
  assert.ok(tookMs >= 250, `took ${tookMs} ms`);
});

test("StepLog never lets the driver's own lines wait for the pace of the build's", async () => {
  const { log, messages } = open({ maxLinesPerSecond: 1000 });
  for (let n = 0; n < 5000; n++) await log.line(`own ${n}`);
  await log.finish();
  assert.equal(messages().length, 5000);
});

test("StepLog cuts lines at whole characters where the broker takes small messages only, and loses nothing of them", async () => {
  const { log, messages } = open({ maxMessageBytes: 16 * 1024 });
  const line = "é".repeat(30_000);
  await log.write("stdout", Buffer.from(`a${line}\nshort\n`));
  await log.finish();
  const said = messages();
  assert.equal(said.at(-1), "short");
  const pieces = said.slice(0, -1);
  assert.ok(pieces.length > 3, `${pieces.length} pieces`);
  const [last = "", ...before] = pieces.toReversed();
  const mark = /^([aé]+)( ?[^aé].*)$/.exec(before[0] ?? "")?.[2] ?? "no mark";
  for (const piece of before) assert.ok(piece.endsWith(mark), piece.slice(-80));
  const whole = [...before.toReversed().map((piece) => piece.slice(0, -mark.length)), last].join("");
  assert.equal(whole, `a${line}`);
});
