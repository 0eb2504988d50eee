import assert from "node:assert/strict";
import { test } from "node:test";
import { counted } from "../../lib/base/units.ts";

test("counted has the noun's other form for any count but one", () => {
  const files = [0, 1, 2].map((count) => counted(count, "file"));
  assert.deepEqual(files, ["0 files", "1 file", "2 files"]);
  const waiting = [1, 2].map((count) => counted(count, "message waits", "messages wait"));
  assert.deepEqual(waiting, ["1 message waits", "2 messages wait"]);
});
