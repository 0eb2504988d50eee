import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../lib/engine/shell/turns.ts";

test("Turns does one piece of work at a time for a key, in the order in which they came", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take("k", async () => {
    await gate.promise;
    done.push("first");
  });
  const second = turns.take("k", () => {
    done.push("second");
    return Promise.reject(new Error("no"));
  });
  const third = turns.take("k", () => Promise.resolve(done.push("third")));
  await turns.take("other", () => Promise.resolve(done.push("other")));
  gate.resolve();
  await assert.rejects(second, /no/);
  await Promise.all([first, third]);
  assert.deepEqual(done, ["other", "first", "second", "third"]);
});

test("Turns is idle when everything has been done, also what failed", async () => {
  const turns = new Turns();
  const gate = Promise.withResolvers<void>();
  let isDone = false;
  const failing = turns.take("a", () => gate.promise.then(() => Promise.reject(new Error("no"))));
  const last = turns.take("a", () => Promise.resolve(isDone = true));
  const idle = turns.idle();
  gate.resolve();
  await assert.rejects(failing);
  await idle;
  assert.equal(isDone, true);
  await last;
});
