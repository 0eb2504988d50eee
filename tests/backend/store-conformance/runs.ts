import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, type Store } from "../../../lib/backend/store.ts";
import type { Run } from "../../../lib/wire/run.ts";
import { type OpenStore, OTHER_RUN, RUN, runOf } from "./opened.ts";
import { within } from "../transport-conformance/opened.ts";

export function runs(name: string, open: OpenStore): void {
  test(`${name}: a run is changed by compare-and-set, as values are`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const run = runOf(RUN, { outbox: [{ id: "x", subject: "resources.t", headers: {}, data: "{}" }] });
    const first = await runs.put(RUN, run, 0);
    assert.deepEqual(await runs.get(RUN), { value: run, revision: first });
    await assert.rejects(runs.put(RUN, run, 0), ConflictError);
    const second = await runs.put(RUN, runOf(RUN), first);
    await assert.rejects(runs.put(RUN, run, first), ConflictError);
    assert.deepEqual(await runs.get(RUN), { value: runOf(RUN), revision: second });
    await assert.rejects(runs.delete(RUN, first), ConflictError);
    await runs.delete(RUN, second);
    assert.equal(await runs.get(RUN), undefined);
  });

  test(`${name}: open lists the runs that have not ended, and only those`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    assert.deepEqual(await runs.open(), []);
    const revision = await runs.put(RUN, runOf(RUN), 0);
    await runs.put(OTHER_RUN, runOf(OTHER_RUN), 0);
    await runs.put("ended", runOf("ended", { outcome: "failed" }), 0);
    assert.deepEqual((await runs.open()).sort(), [OTHER_RUN, RUN]);
    const verdict = { outcome: "cancelled", message: "Cancelled" } as const;
    const decided = await runs.put(RUN, runOf(RUN, { verdict }), revision);
    assert.deepEqual((await runs.open()).sort(), [OTHER_RUN, RUN]);
    await runs.put(RUN, runOf(RUN, { verdict, outcome: "cancelled" }), decided);
    assert.deepEqual(await runs.open(), [OTHER_RUN]);
  });

  test(`${name}: list gives runs newest first, page by page, also those of the same moment`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const ids = Array.from({ length: 30 }, (_, i) => `run-${String(i).padStart(2, "0")}`);
    // Three of each moment, put in another order than they were made in.
    const all = ids.map((id, i) => runOf(id, { createdAt: 1_700_000_000_000 + Math.floor(i / 3) }));
    for (const run of all.toSorted((a, b) => a.id.localeCompare(b.id) * (Number(a.id.at(-1)) - 4))) {
      await runs.put(run.id, run, 0);
    }
    const seen: string[] = [];
    let before: string | undefined;
    for (;;) {
      const page = await runs.list({ ...(before === undefined ? {} : { before }), limit: 7 });
      if (page.length === 0) break;
      assert.ok(page.length <= 7);
      seen.push(...page.map(({ id }) => id));
      before = page.at(-1)?.id;
    }
    assert.deepEqual(seen.toSorted(), ids);
    const times = seen.map((id) => all.find((run) => run.id === id)?.createdAt ?? 0);
    assert.deepEqual(times, times.toSorted((a, b) => b - a));
    assert.deepEqual((await runs.list()).map(({ id }) => id), seen);
  });

  test(`${name}: list gives runs of one outcome, or the open ones`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const outcomes: (Run["outcome"])[] = [undefined, "succeeded", "failed", undefined, "failed", "timed-out"];
    for (const [i, outcome] of outcomes.entries()) {
      const facts = { createdAt: 1_700_000_000_000 + i, ...(outcome && { outcome }) };
      await runs.put(`run-${i}`, runOf(`run-${i}`, facts), 0);
    }
    const idsOf = async (options: Parameters<Store["runs"]["list"]>[0]) =>
      (await runs.list(options)).map(({ id }) => id);
    assert.deepEqual(await idsOf({ outcome: "failed" }), ["run-4", "run-2"]);
    assert.deepEqual(await idsOf({ outcome: "failed", before: "run-4" }), ["run-2"]);
    assert.deepEqual(await idsOf({ outcome: "open" }), ["run-3", "run-0"]);
    assert.deepEqual(await idsOf({ outcome: "open", before: "run-3", limit: 5 }), ["run-0"]);
    assert.deepEqual(await idsOf({ outcome: "cancelled" }), []);
    assert.deepEqual(await idsOf({ limit: 2 }), ["run-5", "run-4"]);
  });

  test(`${name}: list gives runs by resource, pipeline, reason and time, and goes on after a run that is gone`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const at = (i: number) => 1_700_000_000_000 + i;
    const resource = (name: string, type: string) => ({ id: name, name, resource: type, spec: {} });
    const lost = { outcome: "failed", reason: "driver-lost", message: "" } as const;
    const facts: Partial<Run>[] = [
      { resource: resource("app", "flutter-builder") },
      { resource: resource("app", "other") },
      { resource: resource("lib", "other"), pipeline: { name: "q", resource: "other", steps: [] } },
      // Decided, and not ended yet: no reason to find it by.
      { verdict: lost },
      { verdict: lost, outcome: "failed" },
    ];
    for (const [i, fact] of facts.entries()) {
      await runs.put(`run-${i}`, runOf(`run-${i}`, { createdAt: at(i), ...fact }), 0);
    }
    const idsOf = async (query: Parameters<Store["runs"]["list"]>[0]) =>
      (await runs.list(query)).map(({ id }) => id.slice(4)).join("");
    assert.equal(await idsOf({ name: "app" }), "4310");
    assert.equal(await idsOf({ type: "other" }), "21");
    assert.equal(await idsOf({ name: "app", type: "other" }), "1");
    assert.equal(await idsOf({ pipeline: "q" }), "2");
    assert.equal(await idsOf({ reason: "driver-lost" }), "4");
    assert.equal(await idsOf({ outcome: "open", name: "app" }), "310");
    assert.equal(await idsOf({ since: at(1), until: at(3) }), "21");
    const found = await runs.get("run-3");
    const ended = await runs.put(
      "run-3",
      runOf("run-3", { createdAt: at(3), verdict: lost, outcome: "failed" }),
      found?.revision ?? 0,
    );
    assert.equal(await idsOf({ reason: "driver-lost" }), "43");
    await runs.delete("run-3", ended);
    assert.equal(await idsOf({ before: { createdAt: at(3), id: "run-3" }, limit: 2 }), "21");
    assert.equal(await idsOf({ before: "run-3" }), "");
  });

  test(`${name}: ended gives the runs that had ended by a time, longest ago first, page by page`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const at = (ms: number): Partial<Run> => ({ outcome: "failed", endedAt: 1_700_000_000_000 + ms });
    const until = 1_700_000_000_010;
    for (
      const [id, facts] of Object.entries({ b: at(5), a: at(5), late: at(11), first: at(-7), last: at(10) })
    ) {
      await runs.put(id, runOf(id, facts), 0);
    }
    const revision = await runs.put("open", runOf("open"), 0);
    await runs.put("unfinished", runOf("unfinished", { endedAt: 1_700_000_000_000 }), 0);
    await runs.put("timeless", runOf("timeless", { outcome: "failed" }), 0);
    const order = ["first", "a", "b", "last"];
    const all = await runs.ended({ until });
    assert.deepEqual(all.map(({ id }) => id), order);
    assert.deepEqual(all[0], { id: "first", endedAt: 1_700_000_000_000 - 7 });
    assert.deepEqual(await runs.ended({ until: 1_600_000_000_000 }), []);

    const seen: string[] = [];
    let page = await runs.ended({ until, limit: 3 });
    assert.equal(page.length, 3);
    for (
      ;
      page.length > 0;
      page = await runs.ended({ until, limit: 1, after: page.at(-1) ?? assert.fail() })
    ) {
      seen.push(...page.map(({ id }) => id));
    }
    assert.deepEqual(seen, order);

    // A place in the list stays where its run is gone.
    const [, second = assert.fail()] = all;
    await runs.delete("a", (await runs.get("a"))?.revision ?? 0);
    await runs.put("open", runOf("open", at(6)), revision);
    const rest = await runs.ended({ until, after: second });
    assert.deepEqual(rest.map(({ id }) => id), ["b", "open", "last"]);
    await runs.put("last", runOf("last", at(11)), (await runs.get("last"))?.revision ?? 0);
    assert.deepEqual((await runs.ended({ until, after: second })).map(({ id }) => id), ["b", "open"]);
  });

  test(`${name}: find gives the ids that begin with a text, taken literally`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    for (const id of ["fbab31f6", "fbab31f7", "fbac", "FBAB", "a_c", "abc", "a%"]) {
      await runs.put(id, runOf(id), 0);
    }
    assert.deepEqual((await runs.find("fbab", 10)).sort(), ["fbab31f6", "fbab31f7"]);
    assert.deepEqual(await runs.find("fbab31f6", 10), ["fbab31f6"]);
    assert.deepEqual(await runs.find("a_", 10), ["a_c"]);
    assert.deepEqual(await runs.find("a%", 10), ["a%"]);
    assert.deepEqual(await runs.find("x", 10), []);
    assert.equal((await runs.find("fba", 2)).length, 2);
    assert.equal((await runs.find("", 100)).length, 7);
  });

  test(`${name}: watch tells of every change of its run, until it is disposed`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    const news = watcher();
    let others = 0;
    const watch = await runs.watch(RUN, news.changed);
    await using _other = await runs.watch(OTHER_RUN, () => others++);
    const first = await runs.put(RUN, runOf(RUN), 0);
    await news.next();
    const second = await runs.put(RUN, runOf(RUN), first);
    await news.next();
    await runs.delete(RUN, second);
    await news.next();
    assert.equal(others, 0);
    await watch[Symbol.asyncDispose]();
    await watch[Symbol.asyncDispose]();
    const again = watcher();
    await using _again = await runs.watch(RUN, again.changed);
    const told = news.count();
    await runs.put(RUN, runOf(RUN), 0);
    await again.next();
    assert.equal(news.count(), told);
  });

  test(`${name}: watch goes on telling the others when one of them throws`, async () => {
    await using opened = await open();
    const { runs } = opened.store;
    await using _broken = await runs.watch(RUN, () => {
      throw new Error("The watcher is broken");
    });
    const news = watcher();
    await using _news = await runs.watch(RUN, news.changed);
    const revision = await runs.put(RUN, runOf(RUN), 0);
    await news.next();
    await runs.put(RUN, runOf(RUN), revision);
    await news.next();
  });
}

/** Counts changes; `next` resolves at the one after the last that it has answered for. */
function watcher() {
  let count = 0;
  let seen = 0;
  let wake = () => {};
  return {
    changed: () => {
      count++;
      wake();
    },
    count: () => count,
    next: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (count > seen) resolve();
      await within(promise, "a change");
      seen = count;
    },
  };
}
