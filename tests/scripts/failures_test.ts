import assert from "node:assert/strict";
import { test } from "node:test";
import { failedTestsIn, failureLines } from "../../scripts/suite/failures.ts";
import type { Job } from "../../scripts/suite/jobs.ts";

const job: Job = { runtime: "bun", files: ["tests/a_test.ts"], broker: "", kind: "unit" };

/** What Bun prints of tests that fail with an error of so many lines. */
const failing = (tests: number, lines: number) =>
  `\ntests/a_test.ts:\n${
    Array.from({ length: tests }, (_, t) =>
      [
        "1 | assert.ok(false);",
        "       ^",
        `error: message ${t}`,
        ...Array.from({ length: lines }, (_, i) => `line ${i}`),
        "      at <anonymous> (tests/a_test.ts:1:1)",
        `(fail) title ${t} [0.10ms]`,
      ].join("\n")).join("\n")
  }\n`;

const linesOf = (output: string) => failureLines([{ job, output, stuck: undefined, left: [] }]);

test("failureLines leaves the middle of a long error out, and keeps its message and its place", () => {
  const lines = linesOf(failing(1, 500));
  assert.equal(lines.length, 40);
  assert.equal(lines[0], "failed: bun tests/a_test.ts: title 0 (tests/a_test.ts)");
  assert.ok(lines.some((line) => line.endsWith("error: message 0")));
  assert.ok(lines.some((line) => /… \d+ lines, which stand above …/.test(line)));
  assert.match(lines.at(-1) ?? "", /a_test\.ts:1:1/);
});

test("failureLines shares its room among many failures, and says how many it leaves out", () => {
  const twenty = linesOf(failing(20, 500));
  assert.ok(twenty.length <= 80);
  assert.equal(twenty.filter((line) => line.startsWith("failed: ")).length, 20);
  const many = linesOf(failing(200, 3));
  assert.equal(many.length, 81);
  assert.equal(many.at(-1), "… and 120 more");
});

test("failureLines cuts a line that is very long", () => {
  const [, ...details] = linesOf(failing(1, 0).replace("message 0", "x".repeat(100_000)));
  assert.ok(details.every((line) => line.length < 400));
});

test("failureLines names what was left behind and what got stuck, beside the tests", () => {
  const lines = failureLines([
    {
      job,
      output: failing(1, 0),
      stuck: "What comes after has not ended",
      left: ["file x", "process 7: sh"],
    },
  ]);
  assert.deepEqual(lines.slice(0, 4), [
    "failed: bun tests/a_test.ts: What comes after has not ended",
    "failed: bun tests/a_test.ts: It has left something behind: file x",
    "failed: bun tests/a_test.ts: It has left something behind: process 7: sh",
    "failed: bun tests/a_test.ts: title 0 (tests/a_test.ts)",
  ]);
});

test("failureLines says nothing where nothing failed", () => {
  assert.deepEqual(failureLines([]), []);
});

test("failedTestsIn finds a test of Bun that took too long, whose reason comes after its line", () => {
  const output =
    "\ntests/a_test.ts:\n(fail) it waits [120000.10ms]\n  ^ this test timed out after 120000ms.\n";
  assert.deepEqual(failedTestsIn("bun", output), [
    { title: "it waits (tests/a_test.ts)", details: ["  ^ this test timed out after 120000ms."] },
  ]);
});

test("failedTestsIn finds what had failed in an output of Deno that was cut off", () => {
  const output = "running 2 tests from ./tests/a_test.ts\none ... FAILED (2ms)\ntwo ...";
  assert.deepEqual(failedTestsIn("deno", output), [{ title: "one", details: [] }]);
});
