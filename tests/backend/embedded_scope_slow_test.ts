import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { InputError, UnavailableError } from "../../lib/base/errors.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";
import { publishBatch, RUN } from "./store-conformance/opened.ts";
import { pull, spec, text } from "./transport-conformance/opened.ts";

test("openEmbedded refuses a scope in which a process works, this one or another, and names it", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("hold.ts", [folder.path, "run-1"]);
  await child.line();
  await using _own = await openEmbedded({ folder: folder.path, scope: "run-2" });
  for (const scope of ["run-1", "run-2", "run-1", "run-2"]) {
    await assert.rejects(openEmbedded({ folder: folder.path, scope }), (error: Error) => {
      assert.ok(error instanceof UnavailableError);
      assert.ok(error.message.includes(scope) && error.message.includes(folder.path), error.message);
      return true;
    });
  }
});

test("openEmbedded gives at once what a killed process had in hand, and what it had not taken", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("hold.ts", [folder.path, "run-1"]);
  assert.equal(await child.line(), "first");
  await child.kill();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "run-1" });
  await using puller = pull(embedded.transport, spec("a", ["resources.t"], 600_000));
  const [first, second] = [await puller.take(), await puller.take()];
  assert.deepEqual([text(first), first.deliveries, text(second), second.deliveries], [
    "first",
    2,
    "second",
    1,
  ]);
  assert.deepEqual(await embedded.transport.publish("resources.t", "again", { id: "first" }), {
    duplicate: true,
  });
});

test("isAlive and deadScopes tell living processes from those that were killed or have ended", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("hold.ts", [folder.path, "killed"]);
  await child.line();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "own" });
  const ended = await openEmbedded({ folder: folder.path, scope: "ended" });
  const alive = () => ["own", "killed", "ended", "never", "../own", ""].filter(embedded.isAlive);
  assert.deepEqual(alive(), ["own", "killed", "ended"]);
  assert.deepEqual(embedded.deadScopes(), []);
  await ended[Symbol.asyncDispose]();
  await child.kill();
  assert.deepEqual(alive(), ["own"]);
  assert.deepEqual(embedded.deadScopes().sort(), ["ended", "killed"]);
});

test("forgetScope removes what a dead scope left, and refuses a living one", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("hold.ts", [folder.path, "run-1"]);
  await child.line();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "own" });
  for (const scope of ["run-1", "own"]) {
    assert.throws(() => embedded.forgetScope(scope), UnavailableError);
    assert.equal(embedded.isAlive(scope), true);
  }
  await child.kill();
  assert.deepEqual(await readdir(join(folder.path, "partial")), ["own", "run-1"]);
  embedded.forgetScope("run-1");
  embedded.forgetScope("run-1");
  embedded.forgetScope("never");
  assert.deepEqual(embedded.deadScopes(), []);
  assert.deepEqual(await readdir(join(folder.path, "partial")), ["own"]);
  assert.deepEqual(await readdir(join(folder.path, "locks")), ["own"]);
  await using again = await openEmbedded({ folder: folder.path, scope: "run-1" });
  assert.equal(await again.transport.holds("messages", "second"), false);
  await again.transport.publish("resources.t", "new", { id: "first" });
  await using puller = pull(again.transport, spec("a", ["resources.*"]));
  await again.transport.ensureConsumer(spec("a", ["resources.*"]));
  await again.transport.publish("resources.u", "newer");
  assert.equal(text(await puller.take()), "newer");
});

test("openEmbedded removes what a killed process had not finished storing", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("hold.ts", [folder.path, "run-1"]);
  await child.line();
  const partial = join(folder.path, "partial", "run-1");
  assert.equal((await readdir(partial)).length, 1);
  await child.kill();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "run-1" });
  assert.deepEqual(await readdir(partial), []);
  assert.deepEqual(await embedded.store.artifacts.list("run-1"), []);
});

test("openEmbedded gets its scope however often others look whether it is alive", async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("look.ts", [folder.path, "run-1"]);
  await child.line();
  for (let i = 0; i < 50; i++) {
    await using embedded = await openEmbedded({ folder: folder.path, scope: "run-1" });
    assert.equal(embedded.isAlive("run-1"), true);
  }
});

test("scopes share the history of a folder, and neither messages nor ids", async () => {
  await using folder = await temporaryFolder();
  await using one = await openEmbedded({ folder: folder.path, scope: "one" });
  await using two = await openEmbedded({ folder: folder.path, scope: "two" });
  for (const { transport } of [one, two]) await transport.ensureConsumer(spec("a", ["resources.t"]));
  assert.deepEqual(await one.transport.publish("resources.t", "of one", { id: "x" }), { duplicate: false });
  assert.deepEqual(await two.transport.publish("resources.t", "of two", { id: "x" }), { duplicate: false });
  await using puller = pull(two.transport, spec("a", ["resources.t"]));
  assert.equal(text(await puller.take()), "of two");
  assert.equal(await one.transport.holds("messages", "x"), true);
  assert.equal(await two.transport.holds("messages", "x"), false);
  await publishBatch(one.transport, ["1"]);
  await publishBatch(two.transport, ["2", "3"]);
  assert.equal(await one.store.logs.count(RUN), 3);
  assert.equal(one.owner, two.owner);
  assert.deepEqual(one.sealKey, two.sealKey);
});

test("openEmbedded refuses a scope that is no plain name", async () => {
  await using folder = await temporaryFolder();
  for (const scope of ["", ".", "..", "a/b", "../a", "a b", "a\0", "a".repeat(129)]) {
    await assert.rejects(openEmbedded({ folder: folder.path, scope }), InputError, JSON.stringify(scope));
  }
});
