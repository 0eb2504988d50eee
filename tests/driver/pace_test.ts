import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../lib/driver/log/pace.ts";

test("Pace lets a second's worth come at once, then one line after the other", () => {
  let now = 0;
  const pace = new Pace(10, () => now);
  let lines = 0;
  const write = () => {
    for (; !pace.isOver; lines++) pace.count();
  };
  write();
  assert.equal(lines, 10);
  assert.equal(pace.waitMs, 100);
  for (; now < 60_000; now += 10) write();
  assert.ok(lines >= 600 && lines <= 611, `${lines} lines in a minute`);
});

test("Pace saves up no more than a second's worth", () => {
  let now = 0;
  const pace = new Pace(10, () => now);
  now = 3_600_000;
  let lines = 0;
  for (; !pace.isOver; lines++) pace.count();
  assert.equal(lines, 10);
});

test("Pace takes less than one line a second as it is told", () => {
  let now = 0;
  const pace = new Pace(0.5, () => now);
  pace.count();
  assert.equal(pace.waitMs, 2000);
  now = 2000;
  assert.equal(pace.isOver, false);
});
