import assert from "node:assert/strict";
import { test } from "node:test";
import { keepBounded } from "../../lib/driver/conveyor/keep-bounded.ts";
import { captureLog } from "../support/process-log.ts";

test("keepBounded goes on after any failure and after success, and says each only once", async () => {
  await using log = await captureLog();
  const stopping = new AbortController();
  const answers = ["no room", "no room", "denied", "", "", "no room", "no room", "denied", "denied", ""];
  await keepBounded(() => {
    const answer = answers.shift() ?? "";
    if (answers.length === 0) stopping.abort();
    return answer === "" ? Promise.resolve() : Promise.reject(new Error(answer));
  }, { everyMs: 0, signal: stopping.signal });
  const warned = (why: string) => `warning: Cannot bound what is kept of artifacts: ${why}`;
  const well = "info: What is kept of artifacts is bounded";
  assert.deepEqual(log.lines, [
    warned("no room"),
    warned("denied"),
    well,
    warned("no room"),
    warned("denied"),
    well,
  ]);
});
