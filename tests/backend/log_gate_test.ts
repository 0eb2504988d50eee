import assert from "node:assert/strict";
import { test } from "node:test";
import { LogGate } from "../../lib/backend/shared/log-gate.ts";

/** Passes batches, each of so many lines, and returns how many lines are missing before each. */
async function missingIn(gate: LogGate, batches: readonly (readonly [id: string, lines: number])[]) {
  const missing: (number | "refused")[] = [];
  for (const [id, lines] of batches) {
    const headers = { "Nats-Msg-Id": id, "Conveyor-Lines": String(lines) };
    missing.push(await gate.admits(headers, new Uint8Array()) ? gate.missing : "refused");
  }
  return missing;
}

const genuine = () => Promise.resolve(true);

test("LogGate counts the lines that are missing before a batch, also before an attempt's first", async () => {
  const gate = new LogGate("r", genuine);
  const batches = [["r/s/1/3", 2], ["r/s/1/5", 1], ["r/s/1/8", 1], ["r/s/1/5", 1], ["r/s/2/1", 1]] as const;
  assert.deepEqual(await missingIn(gate, batches), [2, 0, 2, "refused", 0]);
});

test("LogGate of a reader that goes on where it was misses nothing before what it knows", async () => {
  const gate = new LogGate("r", genuine, { isResumed: true });
  assert.deepEqual(await missingIn(gate, [["r/s/1/1001", 1], ["r/s/1/1002", 1], ["r/s/1/1005", 1]]), [
    0,
    0,
    2,
  ]);
});

test("LogGate admits what has no number of its own as often as it comes, and nothing that is not genuine", async () => {
  const gate = new LogGate("r", genuine);
  for (const headers of [{}, { "Nats-Msg-Id": "of-a-foreign-driver" }, { "Nats-Msg-Id": "r/s/1/0" }]) {
    for (const _ of [1, 2]) {
      assert.equal(await gate.admits(headers, new Uint8Array()), true);
      assert.equal(gate.missing, 0);
    }
  }
  const forged = new LogGate(
    "r",
    (run, { subject, id }) => Promise.resolve(`${run} ${subject} ${id}` !== "r logs.r r/s/1/9"),
  );
  assert.deepEqual(await missingIn(forged, [["r/s/1/9", 1], ["r/s/1/1", 1], ["r/s/1/2", 1]]), [
    "refused",
    0,
    0,
  ]);
});
