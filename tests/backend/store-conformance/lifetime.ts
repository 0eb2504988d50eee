import assert from "node:assert/strict";
import { test } from "node:test";
import { within } from "../transport-conformance/opened.ts";
import { type OpenStore, publishBatch, RUN, runOf } from "./opened.ts";

export function lifetime(name: string, open: OpenStore): void {
  test(`${name}: dispose ends what follows a log, and twice is fine`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await publishBatch(transport, ["1"]);
    const iterator = store.logs.read(RUN, { follow: true })[Symbol.asyncIterator]();
    await iterator.next();
    const end = iterator.next();
    await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
    await store[Symbol.asyncDispose]();
    assert.equal((await within(end, "the end")).done, true);
  });

  test(`${name}: every call after dispose throws`, async () => {
    await using opened = await open();
    const { store } = opened;
    await store[Symbol.asyncDispose]();
    const { definitions, runs, logs, artifacts } = store;
    const calls: Record<string, () => Promise<unknown>> = {
      get: () => definitions.get("a"),
      put: () => definitions.put("a", { name: "a", schema: {} }, 0),
      delete: () => definitions.delete("a", 1),
      list: () => definitions.list(),
      "runs.get": () => runs.get(RUN),
      "runs.put": () => runs.put(RUN, runOf(RUN), 0),
      "runs.delete": () => runs.delete(RUN, 1),
      "runs.open": () => runs.open(),
      "runs.list": () => runs.list(),
      "runs.find": () => runs.find("a", 1),
      "runs.watch": () => runs.watch(RUN, () => {}),
      "logs.read": () => Array.fromAsync(logs.read(RUN)),
      "logs.tail": () => logs.tail(RUN, 1),
      "logs.count": () => logs.count(RUN),
      "artifacts.list": () => artifacts.list(RUN),
      "artifacts.open": () => artifacts.open(RUN, "a"),
      removeRun: () => store.removeRun(RUN),
    };
    for (const [call, run] of Object.entries(calls)) {
      await assert.rejects(run(), { message: /disposed/i }, call);
    }
  });
}
