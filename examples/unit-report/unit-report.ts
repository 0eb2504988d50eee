import { defineDriver, main, z } from "conveyor-drivers";
import { summaryOf } from "./junit.ts";

/**
 * Reads a test run's report from the run's container, stores a summary, and fails if tests failed. As an
 * `always` step it also reports the tests of a build that failed because of them.
 */
export const unitReport = defineDriver({
  name: "unit-report",
  version: "1.0.0",
  resources: ["flutter-builder"],
  spec: z.strictObject({
    path: z.string().min(1).default("junit.xml").describe("the report, from the workspace"),
    required: z.boolean().default(true).describe("whether a build without a report fails"),
  }),
  reasons: ["tests-failed", "report-missing"],
  container: true,
  async reconcile({ spec, container, log, fail, putArtifact }) {
    if (!await container.isThere()) {
      return { success: true, message: "No container, so no report", data: { skipped: true } };
    }
    const report = await container.readText(spec.path);
    if (report === undefined) {
      if (spec.required) fail("report-missing", `There is no report "${spec.path}" in the workspace`);
      return { success: true, message: `No report "${spec.path}"`, data: { skipped: true } };
    }
    const { tests, failures, skipped } = summaryOf(report);
    for (const name of failures) await log.line(`FAILED ${name}`);
    await putArtifact("unit-report.json", json({ tests, failures, skipped }));
    const message = `${tests} tests, ${failures.length} failed, ${skipped} skipped`;
    return failures.length === 0 ? { success: true, message, data: { tests, skipped } } : {
      success: false,
      reason: "tests-failed",
      message,
      data: { tests, skipped, failures: failures.slice(0, 20) },
    };
  },
});

async function* json(value: unknown): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
}

if (import.meta.main) await main(unitReport);
