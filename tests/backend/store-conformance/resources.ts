import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, resourceKey, versionKey } from "../../../lib/backend/store.ts";
import type { StoredResource } from "../../../lib/wire/stored.ts";
import { type OpenStore, OTHER_RUN, RUN, runOf } from "./opened.ts";

const KEY = resourceKey("type", "a/b");
const FIRST = versionKey("type", "a/b", 1);

const stored = (spec: unknown): StoredResource => ({
  resource: { id: "i", name: "a/b", resource: "type", metadata: { version: "1" }, spec },
  run: RUN,
});

export function resources(name: string, open: OpenStore): void {
  test(`${name}: createRun stores a run together with its resource`, async () => {
    await using opened = await open();
    const { store } = opened;
    const value = stored({ n: 1 });
    const revision = await store.createRun(runOf(RUN), {
      resources: [{ key: KEY, value, revision: 0 }],
      versions: [{ key: FIRST, value }],
    });
    assert.equal((await store.runs.get(RUN))?.revision, revision);
    const found = await store.resources.get(KEY);
    assert.deepEqual(found?.value, value);
    assert.deepEqual((await store.versions.get(FIRST))?.value, value);
    await store.createRun(runOf(OTHER_RUN), {
      resources: [{ key: KEY, revision: found?.revision ?? -1 }],
      versions: [{ key: FIRST }, { key: versionKey("type", "a/b", 2) }],
    });
    assert.deepEqual([await store.resources.get(KEY), await store.versions.get(FIRST)], [
      undefined,
      undefined,
    ]);
  });

  test(`${name}: createRun stores nothing where a resource or the run is in the way`, async () => {
    await using opened = await open();
    const { store } = opened;
    const value = stored({ n: 1 });
    const change = { resources: [{ key: KEY, value, revision: 0 }], versions: [{ key: FIRST, value }] };
    await store.createRun(runOf(RUN), change);
    const other = stored({ n: 2 });
    for (const revision of [0, 987_654]) {
      await assert.rejects(
        store.createRun(runOf(OTHER_RUN), {
          resources: [{ key: "type/new", value: other, revision: 0 }, { key: KEY, value: other, revision }],
          versions: [{ key: FIRST, value: other }],
        }),
        ConflictError,
      );
    }
    await assert.rejects(
      store.createRun(runOf(RUN), {
        resources: [{ key: "type/new", value: other, revision: 0 }],
        versions: [],
      }),
      ConflictError,
    );
    assert.equal(await store.runs.get(OTHER_RUN), undefined);
    assert.equal(await store.resources.get("type/new"), undefined);
    assert.deepEqual((await store.resources.get(KEY))?.value, value);
    assert.deepEqual((await store.versions.get(FIRST))?.value, value);
  });
}
