import assert from "node:assert/strict";
import { test } from "node:test";
import { ConflictError, type Table } from "../../../lib/backend/store.ts";
import { InputError } from "../../../lib/base/errors.ts";
import type { ResourceDefinition } from "../../../lib/wire/resource.ts";
import type { StoredResource } from "../../../lib/wire/stored.ts";
import { type OpenStore, RUN, runOf } from "./opened.ts";

const definition = (name: string, description = ""): ResourceDefinition => ({
  name,
  description,
  schema: { type: "object", properties: { repository: { type: "string" } } },
});

const storedOf = (id: string): StoredResource => ({
  resource: { id, name: id, resource: "type", spec: {} },
  run: RUN,
});

export function tables(name: string, open: OpenStore): void {
  test(`${name}: get gives what was put, with the revision that put answered`, async () => {
    await using opened = await open();
    const { definitions } = opened.store;
    assert.equal(await definitions.get("a"), undefined);
    const value = definition("a", "Zürich 🏗 \u0000 \" \\ '");
    const revision = await definitions.put("a", value, 0);
    assert.deepEqual(await definitions.get("a"), { value, revision });
    const changed = await definitions.put("a", definition("a", "changed"), revision);
    assert.ok(changed > revision);
    assert.deepEqual(await definitions.get("a"), { value: definition("a", "changed"), revision: changed });
  });

  test(`${name}: put refuses a key that is not where its writer believes it to be`, async () => {
    await using opened = await open();
    const { definitions } = opened.store;
    await assert.rejects(definitions.put("a", definition("a"), 1), ConflictError);
    assert.equal(await definitions.get("a"), undefined);
    const first = await definitions.put("a", definition("a", "first"), 0);
    const second = await definitions.put("a", definition("a", "second"), first);
    for (const stale of [0, first, second + 1]) {
      await assert.rejects(definitions.put("a", definition("a", "stale"), stale), ConflictError);
    }
    assert.deepEqual(await definitions.get("a"), {
      value: definition("a", "second"),
      revision: second,
    });
  });

  test(`${name}: put lets one of many win who write at the same revision, in whichever process`, async () => {
    await using opened = await open();
    const both = [opened.store.pipelines, (await opened.another()).pipelines];
    for (let round = 0, revision = 0; round < 5; round++) {
      const writers = Array.from({ length: 10 }, (_, i) => i);
      const results = await Promise.allSettled(
        writers.map((i) =>
          both[i % 2]?.put("a", { name: `${round}/${i}`, resource: "t", steps: [] }, revision)
        ),
      );
      const won = results.flatMap((result, i) => result.status === "fulfilled" ? [i] : []);
      assert.equal(won.length, 1);
      for (const result of results) {
        if (result.status === "rejected") assert.ok(result.reason instanceof ConflictError);
      }
      const found = await opened.store.pipelines.get("a");
      assert.equal(found?.value.name, `${round}/${won[0]}`);
      revision = found?.revision ?? 0;
    }
  });

  test(`${name}: delete removes a key that is where its remover believes it to be, and no other`, async () => {
    await using opened = await open();
    const { definitions } = opened.store;
    const first = await definitions.put("a", definition("a"), 0);
    const second = await definitions.put("a", definition("a"), first);
    await definitions.put("b", definition("b"), 0);
    await assert.rejects(definitions.delete("a", first), ConflictError);
    assert.ok(await definitions.get("a"));
    await definitions.delete("a", second);
    assert.equal(await definitions.get("a"), undefined);
    await assert.rejects(definitions.delete("a", second), ConflictError);
    assert.deepEqual((await definitions.list()).map(({ key }) => key), ["b"]);
  });

  test(`${name}: put after delete never answers a revision that the key had before`, async () => {
    await using opened = await open();
    const { definitions } = opened.store;
    const first = await definitions.put("a", definition("a", "first"), 0);
    await definitions.delete("a", first);
    const again = await definitions.put("a", definition("a", "again"), 0);
    assert.notEqual(again, first);
    await assert.rejects(definitions.put("a", definition("a", "stale"), first), ConflictError);
    await assert.rejects(definitions.delete("a", first), ConflictError);
    assert.equal((await definitions.get("a"))?.value.description, "again");
  });

  test(`${name}: list gives entries in the order of their keys, page by page`, async () => {
    await using opened = await open();
    const { resources } = opened.store;
    const keys = Array.from({ length: 105 }, (_, i) => `type/${String(i).padStart(3, "0")}`);
    for (const key of keys.toReversed()) {
      await resources.put(key, storedOf(key), 0);
    }
    assert.deepEqual((await resources.list()).map(({ key }) => key), keys.slice(0, 100));
    const seen: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await resources.list({ ...(after === undefined ? {} : { after }), limit: 40 });
      if (page.length === 0) break;
      for (const { key, value } of page) {
        assert.equal(value.resource.id, key);
        seen.push(key);
      }
      after = page.at(-1)?.key;
    }
    assert.deepEqual(seen, keys);
    assert.deepEqual(
      await resources.list({ after: "type/103x" }).then((list) => list.map(({ key }) => key)),
      [
        "type/104",
      ],
    );
  });

  test(`${name}: tables keep the same key apart, and keys that look alike`, async () => {
    await using opened = await open();
    const { definitions, secrets, resources } = opened.store;
    const keys = ["a", "A", "a/b", "a/b/1", "a_b", "a%b", "a.b", "ä", "a b", "__proto__", "a*", "a>"];
    for (const key of keys) await secrets.put(key, `sealed ${key}`, 0);
    await definitions.put("a", definition("a"), 0);
    for (const key of keys) assert.equal((await secrets.get(key))?.value, `sealed ${key}`);
    assert.deepEqual((await secrets.list()).map(({ key }) => key).sort(), [...keys].sort());
    assert.deepEqual((await definitions.list()).map(({ key }) => key), ["a"]);
    assert.deepEqual(await resources.list(), []);
  });

  test(`${name}: put refuses a key with a NUL character`, async () => {
    await using opened = await open();
    const { secrets, runs } = opened.store;
    await assert.rejects(secrets.put("a\0b", "sealed", 0), InputError);
    await assert.rejects(runs.put("a\0b", runOf("a\0b"), 0), InputError);
    assert.deepEqual(await secrets.list(), []);
    assert.deepEqual(await runs.list(), []);
  });

  test(`${name}: a change is seen by another store on the same backend`, async () => {
    await using opened = await open();
    const other = await opened.another();
    const revision = await opened.store.secrets.put("run", "sealed", 0);
    assert.deepEqual(await other.secrets.get("run"), { value: "sealed", revision });
    await other.secrets.delete("run", revision);
    assert.equal(await opened.store.secrets.get("run"), undefined);
  });

  test(`${name}: a value that is changed after it was put stays as it was put`, async () => {
    await using opened = await open();
    const table: Table<ResourceDefinition> = opened.store.definitions;
    const value = { ...definition("a", "before") };
    const put = table.put("a", value, 0);
    value.description = "after";
    await put;
    assert.equal((await table.get("a"))?.value.description, "before");
  });
}
