import assert from "node:assert/strict";
import { test } from "node:test";
import { LineTimes } from "../../lib/driver/log/line-times.ts";

test("LineTimes gives each line of one millisecond a time of its own, all of one width", () => {
  const times = new LineTimes();
  const at = "2026-05-02T12:00:00.123Z";
  assert.deepEqual([times.next(at), times.next(at), times.next("2026-05-02T12:00:00.124Z")], [
    "2026-05-02T12:00:00.123000000Z",
    "2026-05-02T12:00:00.123000001Z",
    "2026-05-02T12:00:00.124000000Z",
  ]);
});

test("LineTimes never goes back and never stands still, also over a million lines in one millisecond of a clock that went back", () => {
  const times = new LineTimes();
  let last = times.next("2026-05-02T12:00:00.999Z");
  for (let i = 0; i < 1_000_001; i++) {
    const next = times.next("2026-05-02T11:00:00.000Z");
    if (!(next > last && next.length === last.length)) assert.fail(`${next} follows ${last}`);
    last = next;
  }
  assert.equal(last, "2026-05-02T12:00:01.000000001Z");
});
