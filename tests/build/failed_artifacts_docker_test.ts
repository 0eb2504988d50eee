import assert from "node:assert/strict";
import { builder } from "../../drivers/builder.ts";
import type { Artifact } from "../../lib/wire/run.ts";
import { checkedOut } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/** One file for each way to end. */
const ARTIFACTS = [
  "app",
  { glob: "report", when: "always" },
  { glob: "core", when: "failure" },
  { glob: "nowhere", when: "always", allowEmpty: true },
  "!*.tmp",
];
const MAKE = "touch app report core report.tmp";

test("artifacts of a build that fails are those that are wanted then, and a missing one does not replace its error", async () => {
  const artifacts = [...ARTIFACTS, { glob: "absent/*", when: "failure" }, { glob: "*.tmp", when: "always" }];
  await checkedOut({ commands: [MAKE, "exit 3"], artifacts }, async ({ step }) => {
    const { failure, artifacts, lines } = await step(builder);
    assert.equal(failure?.reason, "command-failed");
    assert.deepEqual([...artifacts.keys()].sort(), ["core", "report"]);
    assert.deepEqual((failure?.data.artifacts as Artifact[]).map(({ name }) => name), ["core", "report"]);
    assert.ok(lines.includes("system Kept all the same: core, report"));
    assert.ok(lines.includes('system No file matches the artifact glob "absent/*", "*.tmp" in /workspace'));
  });
});

test("a file that cannot be kept is left out of the artifacts of a build that fails, and costs none of the others", async () => {
  const commands = ["touch report; ln -s /etc/passwd outside; touch 'a\nb'; exit 3"];
  await checkedOut({ commands, artifacts: [{ glob: "**", when: "always" }] }, async ({ step }) => {
    const { failure, artifacts, lines } = await step(builder);
    assert.equal(failure?.reason, "command-failed");
    assert.ok(artifacts.has("report") && !artifacts.has("outside"));
    assert.ok(lines.includes('system Left out "outside": it links to something outside of the workspace'));
    assert.ok(lines.some((line) => line.startsWith('system Left out "a\\nb": its name has a control')));
  });
});

test("artifacts of a build that succeeds are those without a condition and those of always, and one may be missing", async () => {
  await checkedOut({ commands: [MAKE], artifacts: ARTIFACTS }, async ({ step }) => {
    const { result, artifacts } = await step(builder);
    assert.equal(result?.success, true);
    assert.deepEqual([...artifacts.keys()].sort(), ["app", "report"]);
  });
});

test("artifacts of a build whose result cannot be kept are those of a failure", async () => {
  const artifacts = ["gone", ...ARTIFACTS];
  await checkedOut({ commands: [MAKE], artifacts }, async ({ step }) => {
    const { failure, artifacts } = await step(builder);
    assert.equal(failure?.reason, "artifact-failed");
    assert.deepEqual([...artifacts.keys()].sort(), ["core", "report"]);
  });
});
