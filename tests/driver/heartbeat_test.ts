import assert from "node:assert/strict";
import { test } from "node:test";
import { heartbeatMs } from "../../lib/driver/understand/event-in-hand.ts";

test("heartbeatMs is a third of the consumer's ack wait or of ours, whichever is shorter, and of 30 s at most", () => {
  assert.equal(heartbeatMs(2000, 2000), 667);
  assert.equal(heartbeatMs(900, 30_000), 300);
  assert.equal(heartbeatMs(60_000, 3000), 1000);
  assert.equal(heartbeatMs(600_000, 600_000), 10_000);
});
