import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { Retryable } from "../../lib/base/errors.ts";
import type { Store } from "../../lib/backend/store.ts";
import { keepPruned, pruner } from "../../lib/cli/up/prune.ts";
import { publishBatch, runOf } from "../backend/store-conformance/opened.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;
const idOf = (n: number) => `${String(n).padStart(8, "0")}-a278-4a8f-96be-ac49b007ca65`;

test("prune removes runs that ended long enough ago, the logs of others, and nothing of open ones", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport, removeLog } = embedded;
  // More than one page of them; every third has not ended, however old it is.
  const days = (n: number) => n % 40;
  for (let n = 0; n < 120; n++) {
    const endedAt = NOW - days(n) * DAY;
    await store.runs.put(idOf(n), runOf(idOf(n), n % 3 === 0 ? {} : { outcome: "failed", endedAt }), 0);
    await publishBatch(transport, ["a line"], { run: idOf(n) });
  }
  const options = { store, keepRunsMs: 30 * DAY, keepLogsMs: 20 * DAY, removeLog, clock: () => NOW };
  const removed = await pruner(options)(new AbortController().signal);
  const expected = { removed: 0, mute: 0, whole: 0 };
  for (let n = 0; n < 120; n++) {
    const isEnded = n % 3 !== 0;
    const fate = isEnded && days(n) >= 30 ? "removed" : isEnded && days(n) >= 20 ? "mute" : "whole";
    expected[fate]++;
    const found = {
      record: await store.runs.get(idOf(n)) !== undefined,
      lines: await store.logs.count(idOf(n)),
    };
    assert.deepEqual(found, { record: fate !== "removed", lines: fate === "whole" ? 1 : 0 }, `${n} ${fate}`);
  }
  assert.equal(removed, expected.removed);
  assert.ok(Math.min(...Object.values(expected)) > 10);
});

test("prune leaves logs alone where the broker removes them", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport } = embedded;
  await store.runs.put(idOf(1), runOf(idOf(1), { outcome: "failed", endedAt: NOW - 2 * DAY }), 0);
  await publishBatch(transport, ["a line"], { run: idOf(1) });
  const options = { store, keepRunsMs: 30 * DAY, keepLogsMs: DAY, clock: () => NOW };
  assert.equal(await pruner(options)(new AbortController().signal), 0);
  assert.equal(await store.logs.count(idOf(1)), 1);
});

test("prune that keeps nothing still leaves open runs alone", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store } = embedded;
  await store.runs.put(idOf(1), runOf(idOf(1), { outcome: "failed", endedAt: NOW }), 0);
  await store.runs.put(idOf(2), runOf(idOf(2)), 0);
  const options = { store, keepRunsMs: 0, keepLogsMs: 0, clock: () => NOW };
  assert.equal(await pruner(options)(new AbortController().signal), 1);
  assert.deepEqual((await store.runs.list()).map(({ id }) => id), [idOf(2)]);
});

test("prune removes the others where one run, or one log, cannot be removed", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, transport, removeLog } = embedded;
  for (let n = 0; n < 6; n++) {
    const endedAt = NOW - (n < 3 ? 9 : 2) * DAY + n;
    await store.runs.put(idOf(n), runOf(idOf(n), { outcome: "failed", endedAt }), 0);
    await publishBatch(transport, ["a line"], { run: idOf(n) });
  }
  const failing = (stuck: number, remove: (run: string) => Promise<void>) => (run: string) =>
    isStuck && run === idOf(stuck) ? Promise.reject(new Error("EACCES: permission denied")) : remove(run);
  let isStuck = true;
  const prune = pruner({
    store: { ...store, removeRun: failing(0, store.removeRun) },
    keepRunsMs: 7 * DAY,
    keepLogsMs: DAY,
    removeLog: failing(3, removeLog),
    clock: () => NOW,
  });
  assert.equal(await prune(new AbortController().signal), 2);
  const left = await store.runs.list();
  assert.deepEqual(left.map(({ id }) => id).sort(), [0, 3, 4, 5].map(idOf));
  const lines = await Promise.all([3, 4, 5].map((n) => store.logs.count(idOf(n))));
  assert.deepEqual(lines, [1, 0, 0]);
  await log.line(new RegExp(`^warning: Cannot remove run ${idOf(0)}: EACCES: permission denied$`));
  await log.line(new RegExp(`^warning: Cannot remove the log of run ${idOf(3)}: EACCES`));

  const away = new Retryable("The broker is away", { reason: "transport-unreachable" });
  const stopped = pruner({
    store: { ...store, removeRun: () => Promise.reject(away) },
    ...{ keepRunsMs: 7 * DAY, keepLogsMs: DAY, clock: () => NOW },
  });
  await assert.rejects(stopped(new AbortController().signal), away);

  // Both are tried again.
  isStuck = false;
  assert.equal(await prune(new AbortController().signal), 1);
  assert.deepEqual((await store.runs.list()).map(({ id }) => id).sort(), [3, 4, 5].map(idOf));
  assert.equal(await store.logs.count(idOf(3)), 0);
});

test("prune keeps so many ended runs, those that ended last, and all open ones", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store } = embedded;
  for (let n = 0; n < 150; n++) {
    const facts = n % 5 === 0 ? {} : { outcome: "failed" as const, endedAt: NOW - n * 1000 };
    await store.runs.put(idOf(n), runOf(idOf(n), facts), 0);
  }
  assert.equal(await store.runs.endedCount(), 120);
  const options = { store, keepRunsMs: 30 * DAY, keepRunsCount: 10, keepLogsMs: 30 * DAY, clock: () => NOW };
  const prune = pruner(options);
  assert.equal(await prune(new AbortController().signal), 110);
  const ended = await store.runs.ended({ until: NOW });
  assert.deepEqual(ended.map(({ id }) => id), [12, 11, 9, 8, 7, 6, 4, 3, 2, 1].map(idOf));
  assert.equal((await store.runs.open()).length, 30);
  assert.equal(await prune(new AbortController().signal), 0);
});

test("prune looks at what has come of age since it looked before, however much is stored", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, removeLog } = embedded;
  const count = 250;
  for (let n = 0; n < count; n++) {
    const endedAt = NOW - n * 3_600_000;
    await store.runs.put(idOf(n), runOf(idOf(n), { outcome: "failed", endedAt }), 0);
  }
  const [seen, muted] = [new Set<string>(), new Array<string>()];
  const watched: Store = {
    ...store,
    runs: {
      ...store.runs,
      list: () => Promise.reject(new Error("The whole list was asked for")),
      ended: async (options) => {
        const page = await store.runs.ended(options);
        for (const { id } of page) seen.add(id);
        return page;
      },
    },
  };
  let now = NOW;
  const prune = pruner({
    store: watched,
    keepRunsMs: 200 * 3_600_000,
    keepLogsMs: 100 * 3_600_000,
    removeLog: async (run) => {
      muted.push(run);
      await removeLog(run);
    },
    clock: () => now,
  });
  const { signal } = new AbortController();
  assert.equal(await prune(signal), 50);
  assert.deepEqual(muted, Array.from({ length: 100 }, (_, i) => idOf(199 - i)));
  seen.clear();
  muted.length = 0;
  now += 3_600_000;
  assert.equal(await prune(signal), 1);
  assert.deepEqual(muted, [idOf(101), idOf(100), idOf(99)]);
  assert.deepEqual([...seen], [idOf(199), idOf(101), idOf(100), idOf(99)]);
});

test("keepPruned removes what was silent for a day without being finished, also where it cannot remove runs", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  const { store, ...opened } = await openEmbedded({ folder: folder.path, scope: "up" });
  await opened[Symbol.asyncDispose]();
  const asked = Promise.withResolvers<number>();
  await using _pruning = keepPruned({
    store,
    keepRunsMs: DAY,
    keepLogsMs: DAY,
    removeUnfinished: ({ idleMs }) => {
      asked.resolve(idleMs);
      return Promise.resolve(3);
    },
    clock: () => NOW,
  });
  assert.equal(await asked.promise, DAY);
  await log.line(/^warning: Cannot remove runs that had ended long ago: The store has been disposed$/);
  await log.line(/^info: Removed 3 leftovers of removed runs and unfinished uploads$/);
});
