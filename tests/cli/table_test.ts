import assert from "node:assert/strict";
import { test } from "node:test";
import { plainStyle } from "../../lib/cli/shared/render/style.ts";
import { tableLines } from "../../lib/cli/shared/render/table.ts";

const titles = ["step", "status", "result"];
const rows = [
  ["clone", "succeeded", "Cloned"],
  ["build", "failed", "The command `make all` exited with 2 after it had begun well"],
];

test("tableLines keeps a row on one line where no width is given", () => {
  assert.deepEqual(tableLines(titles, rows, plainStyle), [
    "step   status     result",
    "clone  succeeded  Cloned",
    "build  failed     The command `make all` exited with 2 after it had begun well",
  ]);
});

test("tableLines wraps the last column between words, in its column or, where that is narrow, below its row", () => {
  assert.deepEqual(tableLines(titles, rows, plainStyle, 50), [
    "step   status     result",
    "clone  succeeded  Cloned",
    "build  failed     The command `make all` exited",
    "                  with 2 after it had begun well",
  ]);
  assert.deepEqual(tableLines(titles, rows, plainStyle, 30), [
    "step   status     result",
    "clone  succeeded  Cloned",
    "build  failed",
    "  The command `make all`",
    "  exited with 2 after it had",
    "  begun well",
  ]);
});

test("tableLines does not pad all rows to a very long cell", () => {
  const long = "a".repeat(300);
  assert.deepEqual(tableLines(["artifact", "size"], [["app.bin", "7 B"], [long, "9 B"]], plainStyle), [
    "artifact  size",
    "app.bin   7 B",
    `${long}  9 B`,
  ]);
});

test("tableLines takes any number of rows", () => {
  const many = Array.from({ length: 300_000 }, () => ["app.bin", "7 B"]);
  assert.equal(tableLines(["artifact", "size"], many, plainStyle).length, 300_001);
});
