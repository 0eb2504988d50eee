import assert from "node:assert/strict";
import { test } from "node:test";
import { testDriver } from "conveyor-drivers/testing";
import { unitReport } from "./unit-report.ts";

const REPORT = `<testsuites><testsuite name="all">
  <testcase classname="app" name="starts"/>
  <testcase classname="app" name="stops"><failure message="1 != 0"/></testcase>
  <testcase classname="app" name="waits"><skipped/></testcase>
</testsuite></testsuites>`;

test("unit-report fails on failures, names them in the log, and keeps the summary", async () => {
  const { success, reason, message, log, artifacts } = await testDriver(unitReport, {
    spec: { path: "out/report.xml" },
    container: { files: { "out/report.xml": REPORT } },
  });
  assert.deepEqual([success, reason, message], [false, "tests-failed", "3 tests, 1 failed, 1 skipped"]);
  assert.deepEqual(log, [{ stream: "system", message: "FAILED app.stops" }]);
  const kept = JSON.parse(new TextDecoder().decode(artifacts["unit-report.json"]));
  assert.deepEqual(kept, { tests: 3, failures: ["app.stops"], skipped: 1 });
});

test("unit-report succeeds when no test has failed", async () => {
  const container = { files: { "junit.xml": '<testcase name="a"/>' } };
  const { success, message } = await testDriver(unitReport, { container });
  assert.deepEqual([success, message], [true, "1 tests, 0 failed, 0 skipped"]);
});

test("unit-report fails without a report where one is required", async () => {
  const missing = await testDriver(unitReport, { container: {} });
  assert.deepEqual([missing.success, missing.reason], [false, "report-missing"]);
  const optional = await testDriver(unitReport, { container: {}, spec: { required: false } });
  assert.deepEqual([optional.success, optional.data], [true, { skipped: true }]);
});

test("unit-report says what is wrong with its part of the spec", async () => {
  const { reason, message } = await testDriver(unitReport, { spec: { path: 5 }, container: {} });
  assert.equal(reason, "invalid-spec");
  assert.equal(message, "spec.drivers.unit-report.path: expected string, got 5");
});
