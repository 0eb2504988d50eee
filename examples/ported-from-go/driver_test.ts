import assert from "node:assert/strict";
import { test } from "node:test";
import { testDriver } from "conveyor-drivers/testing";
import { manager } from "./driver.ts";

test("the ported driver greets as the one in Go does", async () => {
  const { success, message, data, log } = await testDriver(manager.driver, {
    resource: { name: "Ada" },
    spec: { language: "lg" },
  });
  assert.deepEqual([success, message, data], [true, "Gyebaleko, Ada", { word: "Gyebaleko" }]);
  assert.match(log[0]?.message ?? "", /^Greeting Ada in run [0-9a-f-]{36} event=create$/);
});

test("the ported driver fails on a language that it does not know", async () => {
  const { success, reason, message } = await testDriver(manager.driver, { spec: { language: "de" } });
  assert.deepEqual([success, message], [false, "unknown language de"]);
  assert.equal(reason, undefined);
});

test("the ported driver skips what its manager is not asked to handle", async () => {
  const { success, data } = await testDriver(manager.driver, { event: "delete" });
  assert.deepEqual([success, data], [true, { skipped: true }]);
});
