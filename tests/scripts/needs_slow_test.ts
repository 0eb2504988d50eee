import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failedTestsIn } from "../../scripts/suite/failures.ts";
import { commandOf, type Job, type Runtime } from "../../scripts/suite/jobs.ts";
import { tallyOf } from "../../scripts/suite/tally.ts";
import { paced } from "../support/pace.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const ROOT = join(import.meta.dirname, "../..");
const RUNTIMES: readonly Runtime[] = ["bun", "deno"];
const TESTS = `
import { needing } from ${JSON.stringify(join(ROOT, "tests/support/needs.ts"))};
const lacking = needing(() => "There is no moon");
lacking.before(() => console.log("prepared"));
lacking.test("what needs a moon", () => console.log("tested"));
const { test } = needing();
test("what needs a sun", { needs: () => "There is no sun" }, () => console.log("tested"));
test("what needs a star", { needs: () => false }, () => console.log("reached a star"));
`;

test("tests that lack something are skipped with the reason, and fail with it where CI=true", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "made_test.ts");
  writeFileSync(file, TESTS);
  for (const runtime of RUNTIMES) {
    const job: Job = { runtime, files: [file], broker: "", kind: "processes" };
    const [program = "", ...args] = commandOf(job, paced(120_000), folder.path);
    const ran = (CI: string) => {
      const env = { ...process.env, NO_COLOR: "1", CI };
      const { stdout, stderr, status } = spawnSync(program, args, { cwd: ROOT, env, encoding: "utf8" });
      const output = stdout + stderr;
      assert.match(output, /reached a star/);
      assert.doesNotMatch(output, /prepared|tested/);
      return { output, tally: tallyOf(runtime, output, status ?? 1) };
    };
    const { output, tally } = ran("");
    assert.deepEqual([tally.passed, tally.skipped, tally.failed], [1, 2, 0], output);
    assert.match(output, /Skipped here: There is no moon/);
    assert.match(output, /Skipped here: There is no sun/);
    const inCi = ran("true");
    assert.deepEqual([inCi.tally.passed, inCi.tally.skipped, inCi.tally.failed], [1, 0, 2], inCi.output);
    const failed = failedTestsIn(runtime, inCi.output);
    for (const [i, what] of ["moon", "sun"].entries()) {
      assert.ok(failed[i]?.title.startsWith(`what needs a ${what}`), inCi.output);
      const said = failed[i]?.details.join("\n") ?? "";
      assert.ok(said.includes(`Nothing is skipped where CI=true: There is no ${what}`), said);
    }
  }
});
