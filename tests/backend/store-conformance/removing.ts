import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../../lib/base/errors.ts";
import { bytes } from "../transport-conformance/opened.ts";
import { type OpenedStore, type OpenStore, OTHER_RUN, publishBatch, RUN, runOf } from "./opened.ts";

export function removing(name: string, open: OpenStore): void {
  test(`${name}: removeRun removes a run that has ended, with its log and its artifacts, and nothing else`, async () => {
    await using opened = await open();
    const { store } = opened;
    for (const run of [RUN, OTHER_RUN]) await fill(opened, run);
    await store.runs.put(RUN, runOf(RUN, { outcome: "failed" }), 0);
    await store.runs.put(OTHER_RUN, runOf(OTHER_RUN, { outcome: "failed" }), 0);
    await store.removeRun(RUN);
    assert.deepEqual(await left(opened, RUN), { record: false, lines: 0, artifacts: 0, bytes: false });
    assert.deepEqual(await left(opened, OTHER_RUN), { record: true, lines: 200, artifacts: 2, bytes: true });
    assert.deepEqual((await store.runs.list()).map(({ id }) => id), [OTHER_RUN]);
    await store.removeRun(RUN);
    await store.removeRun("never");
    assert.deepEqual(await left(opened, OTHER_RUN), { record: true, lines: 200, artifacts: 2, bytes: true });
  });

  test(`${name}: removeRun refuses a run that has not ended, and leaves it whole`, async () => {
    await using opened = await open();
    const { store } = opened;
    await fill(opened, RUN);
    await store.runs.put(RUN, runOf(RUN), 0);
    await assert.rejects(store.removeRun(RUN), (error: Error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, new RegExp(RUN));
      return true;
    });
    assert.deepEqual(await left(opened, RUN), { record: true, lines: 200, artifacts: 2, bytes: true });
  });

  test(`${name}: removeRun does not reach beyond the run that it names`, async () => {
    await using opened = await open();
    await fill(opened, RUN);
    await opened.store.runs.put(RUN, runOf(RUN, { outcome: "failed" }), 0);
    for (const run of ["", ".", "..", `../${RUN}`, `x/../${RUN}`, "/"]) {
      await opened.store.removeRun(run).catch((error) => assert.ok(error instanceof InputError));
    }
    assert.deepEqual(await left(opened, RUN), { record: true, lines: 200, artifacts: 2, bytes: true });
  });
}

async function fill({ transport }: OpenedStore, run: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    await publishBatch(transport, ["1", "2", "3", "4".repeat(5000)], { run });
  }
  await transport.putBlob(run, "a", bytes("a"));
  await transport.putBlob(run, "dir/b", bytes("b"));
}

async function left({ store }: OpenedStore, run: string) {
  return {
    record: await store.runs.get(run) !== undefined,
    lines: await store.logs.count(run),
    artifacts: (await store.artifacts.list(run)).length,
    bytes: await store.artifacts.open(run, "dir/b") !== undefined,
  };
}
