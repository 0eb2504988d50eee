import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptAnswers } from "../../lib/base/kept-answers.ts";

test("KeptAnswers asks once for all who ask together, and again once the answer is old, by question", async () => {
  const clock = { now: 0 };
  const answers = new KeptAnswers<number>(1000, () => clock.now);
  let asked = 0;
  const ask = () => answers.get("a", () => Promise.resolve(++asked));
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [1, 1, 1]);
  clock.now = 999;
  assert.equal(await ask(), 1);
  assert.equal(await answers.get("b", () => Promise.resolve(7)), 7);
  clock.now = 1000;
  assert.equal(await ask(), 2);
});

test("KeptAnswers counts from the answer, however long it took, and keeps no error", async () => {
  const clock = { now: 0 };
  const answers = new KeptAnswers<string>(1000, () => clock.now);
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = answers.get("a", () => promise);
  clock.now = 5000;
  assert.equal(answers.get("a", () => assert.fail("It is being asked")), first);
  resolve("late");
  await first;
  clock.now = 5999;
  assert.equal(await answers.get("a", () => Promise.resolve("again")), "late");
  clock.now = 6000;
  await assert.rejects(answers.get("a", () => Promise.reject(new Error("away"))), /away/);
  assert.equal(await answers.get("a", () => Promise.resolve("back")), "back");
});
