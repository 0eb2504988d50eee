import assert from "node:assert/strict";
import { test } from "node:test";
import { beatMs } from "../../lib/driver/claim/heartbeat.ts";

test("beatMs is a third of the consumer's ack wait or of ours, whichever is shorter, and of 30 s at most", () => {
  const beat = (consumers: number, ours: number) => beatMs({ ackWaitMs: consumers }, { ackWaitMs: ours });
  assert.equal(beat(2000, 2000), 2000 / 3);
  assert.equal(beat(900, 30_000), 300);
  assert.equal(beat(60_000, 3000), 1000);
  assert.equal(beat(600_000, 600_000), 10_000);
});
