import assert from "node:assert/strict";
import { builder } from "../../drivers/builder.ts";
import type { TestSummary } from "../../lib/build/reports/junit.ts";
import { checkedOut } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const WRITE = `mkdir -p a/b
echo '<testsuite><testcase name="fine" time="0.5"/><testcase name="bad"><failure message="no"/></testcase></testsuite>' >a/TEST-1.xml
echo '<testsuite><testcase name="slow" time="2"/></testsuite>' >a/b/TEST-2.xml
echo '<html>' >TEST-3.xml; ln -s /etc/passwd passwd.xml`;

test("builder sums up the test reports of a build that fails, in its log and its result, whatever is wrong with some", async () => {
  const spec = { commands: [WRITE, "exit 3"], reports: [{ junit: "**/TEST-*.xml" }, { junit: "none.xml" }] };
  await checkedOut(spec, async ({ step }) => {
    const { failure, lines, artifacts } = await step(builder);
    assert.equal(failure?.reason, "command-failed");
    const { seconds, ...reports } = failure?.data.reports as TestSummary;
    assert.deepEqual([seconds, reports], [2.5, {
      reports: 2,
      tests: 3,
      failures: 1,
      skipped: 0,
      failed: [{ name: "bad", message: "no" }],
      slowest: [{ name: "slow", seconds: 2 }, { name: "fine", seconds: 0.5 }],
    }]);
    assert.deepEqual(lines.slice(-5), [
      'system No file matches the report glob "none.xml" in /workspace',
      'system The report "TEST-3.xml" is not read: it begins with <html>, expected <testsuites> or <testsuite>',
      "system Slowest: slow (2.00 s), fine (0.50 s)",
      "system Failed: bad: no",
      "system Tests: 3 tests in 2 reports, 1 failed, 2.50 s",
    ]);
    assert.equal(artifacts.size, 0);
  });
});

test("builder succeeds with its reports, and although they cannot be read", async () => {
  await checkedOut({ commands: [WRITE], reports: [{ junit: "a/*.xml" }] }, async ({ step }) => {
    const { result } = await step(builder);
    assert.equal(result?.success, true);
    assert.equal((result?.data as { reports: TestSummary }).reports.tests, 2);
  });
  await checkedOut({ commands: [WRITE], reports: [{ junit: "passwd.xml" }] }, async ({ step }) => {
    const { result, lines } = await step(builder);
    assert.equal(result?.success, true);
    assert.match(
      lines.at(-1) ?? "",
      /^system The report "passwd\.xml" is not read: .*outside of the workspace$/,
    );
  });
});
