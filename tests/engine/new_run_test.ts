import assert from "node:assert/strict";
import { test } from "node:test";
import { initiatedRun } from "../../lib/engine/core/new-run.ts";
import { RUN, submission } from "./support/runs.ts";

const initiated = (operation: string, id = RUN) => {
  const { resource, pipeline } = submission("a b!");
  const driverresult = { success: true, message: "", data: null, driver: "" };
  return initiatedRun({ event: operation, run_id: id, resource, driverresult }, pipeline, 1000);
};

test("initiatedRun makes a run of the operation that the event names", () => {
  for (const operation of ["create", "update", "delete"]) {
    const run = initiated(operation);
    assert.ok(typeof run === "object");
    assert.deepEqual([run.id, run.operation, run.restartsLeft], [RUN, operation, 0]);
  }
});

test("initiatedRun says why there can be no run", () => {
  assert.equal(initiated("process"), 'Unknown operation "process": expected create, update or delete');
  assert.match(String(initiated("create", "no-uuid")), /submission\.run: expected a UUID, got "no-uuid"/);
});
